#pragma once
/// How pages and pictures look: by day, in the dark, on paper, and on a telephone.

#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// The colours, by name. Those of series are told apart by colour-blind people too (after Okabe and Ito, Color
/// Universal Design), and have a contrast of 4.5 to the paper, because labels are written in them.
inline constexpr std::string_view kColours = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1d2328;--faint:#59636b;--grid:#e3e7ea;--band:#f4f6f7;--warn:#fff4d6;
--edge:#b97a00;--link:#0b5cad;--c0:#0066a8;--c1:#b84700;--c2:#007351;--c3:#a03a76;--c4:#7d5d00;--c5:#1f7391;--c6:#6a4fb0;
--c7:#5c5c5c}
@media (prefers-color-scheme:dark){:root{--paper:#14181b;--ink:#e6eaed;--faint:#a3afb8;--grid:#2c3439;--band:#1d2327;
--warn:#3a2f10;--edge:#e0a83a;--link:#7cc0ff;--c0:#62b5f2;--c1:#ff9b5c;--c2:#41cfa1;--c3:#f19bcb;--c4:#e5c04b;--c5:#79cde8;
--c6:#b9a4f5;--c7:#b8b8b8}}
@media print{:root{--paper:#fff;--ink:#000;--faint:#444;--grid:#ddd;--band:#fff;--warn:#fff;--edge:#888;--link:#000;
--c0:#0066a8;--c1:#b84700;--c2:#007351;--c3:#a03a76;--c4:#7d5d00;--c5:#1f7391;--c6:#6a4fb0;--c7:#5c5c5c}}
)";

/// Classes of pictures. A label has a halo in the colour of the paper, so that a line behind it does not cross it out.
inline constexpr std::string_view kPictureStyle = R"(
svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;fill:var(--ink)}
svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
svg .faint{fill:var(--faint)}svg .paper{fill:var(--paper)}svg .band{fill:var(--band)}
svg line,svg polyline{fill:none;stroke:var(--ink);stroke-width:1}
svg .grid{stroke:var(--grid)}svg .tick{stroke:var(--faint)}svg .lead{stroke:var(--faint);stroke-width:.7}
svg .curve{stroke-width:2;stroke-linejoin:round}svg .dashed{stroke-dasharray:5 4;stroke-width:1.5}
svg .dot{stroke:var(--paper);stroke-width:1}svg .hollow{fill:var(--paper)!important;stroke-width:2}
svg .c0{fill:var(--c0)}svg .c1{fill:var(--c1)}svg .c2{fill:var(--c2)}svg .c3{fill:var(--c3)}
svg .c4{fill:var(--c4)}svg .c5{fill:var(--c5)}svg .c6{fill:var(--c6)}svg .c7{fill:var(--c7)}
svg .s0{stroke:var(--c0);fill:none}svg .s1{stroke:var(--c1);fill:none}svg .s2{stroke:var(--c2);fill:none}
svg .s3{stroke:var(--c3);fill:none}svg .s4{stroke:var(--c4);fill:none}svg .s5{stroke:var(--c5);fill:none}
svg .s6{stroke:var(--c6);fill:none}svg .s7{stroke:var(--c7);fill:none}
)";

/// The page around them.
inline constexpr std::string_view kPageStyle = R"(
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;color:var(--ink);
background:var(--paper);max-width:74rem;margin:0 auto;padding:1rem 1rem 3rem;overflow-wrap:break-word}
h1{font-size:1rem;font-weight:600;color:var(--faint);margin:.5rem 0 0}
.answer{font-size:1.45rem;line-height:1.3;font-weight:600;margin:.3rem 0 1rem;text-wrap:pretty}
h2{font-size:1.2rem;line-height:1.3;margin:2.2rem 0 .5rem;padding-top:.6rem;border-top:1px solid var(--grid)}
p,ul,dl{max-width:46rem;margin:.5rem 0}ul{padding-left:1.2rem}li{margin:.25rem 0}a{color:var(--link)}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));gap:1.5rem;margin:1rem 0}
figure{margin:0;min-width:0;max-width:34rem;break-inside:avoid}figure svg{width:100%;height:auto;display:block}
figure h3{font-size:1rem;margin:0 0 .3rem}figcaption{font-size:.9rem;color:var(--faint);margin-top:.3rem}
.scroll{overflow-x:auto;margin:.6rem 0;max-width:100%}.scroll:focus-visible{outline:2px solid var(--link)}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.2rem 0 .4rem}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--grid);text-align:right;vertical-align:top;white-space:nowrap}
thead th{white-space:normal;border-bottom:2px solid var(--faint);vertical-align:bottom}tbody th{font-weight:600}
tbody th,td.l{white-space:normal;min-width:7rem}
thead small{display:block;font-weight:400;color:var(--faint)}
.l{text-align:left}.w{white-space:normal;min-width:min(26rem,75vw);text-align:left}
tr.best{background:var(--band)}
.note{border-left:4px solid var(--edge);padding:.4rem .8rem;background:var(--warn);max-width:46rem;margin:.6rem 0}
dt{font-weight:600;margin-top:.5rem}dd{margin:0}
details{margin:.5rem 0;max-width:100%}summary{cursor:pointer}
pre{overflow:auto;max-height:24rem;font-size:.8rem;background:var(--band);padding:.6rem;margin:.4rem 0}
@media print{body{max-width:none;padding:0;font-size:10pt}.scroll{overflow:visible}table{font-size:7.5pt}
th,td{padding:.1rem .3rem}tr,figure,.note{break-inside:avoid}h2{break-after:avoid}
.pictures{grid-template-columns:1fr 1fr}details:not([open]){display:none}.data{display:none}}
)";

}  // namespace plumb::inline PLUMB_ABI::page
