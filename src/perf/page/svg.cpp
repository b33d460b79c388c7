#include "svg.hpp"

#include <algorithm>

#include "../../core/format.hpp"
#include "../../core/utf8.hpp"
#include "style.hpp"

namespace plumb::inline PLUMB_ABI::page {
namespace {

/// Of a character, after the widest of the fonts that systems use for sans-serif (DejaVu Sans).
double character_width(char32_t c) {
  constexpr std::u32string_view kNarrow = U"iljI.,:;'|!()[]/ ·ft", kWide = U"mwMWQO@%±→";
  if (kNarrow.find(c) != std::u32string_view::npos) return 0.40;
  if (kWide.find(c) != std::u32string_view::npos) return 0.97;
  if (c >= U'A' && c <= U'Z') return 0.74;
  return c < 0x2E80 ? 0.64 : 1.05;
}

std::string points_text(const std::vector<std::pair<double, double>>& points) {
  std::string text;
  for (const auto& [x, y] : points) text += formatted("{}{:.1f},{:.1f}", text.empty() ? "" : " ", x, y);
  return text;
}

}  // namespace

std::string escape(std::string_view given) {
  std::string storage, out;
  const std::string_view text = valid_utf8(given, storage);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(text, at);
    switch (c) {
      case U'&': out += "&amp;"; break;
      case U'<': out += "&lt;"; break;
      case U'>': out += "&gt;"; break;
      case U'"': out += "&quot;"; break;
      case U'\'': out += "&#39;"; break;
      default: {
        const bool forbidden =
            (c < 0x20 && c != U'\n' && c != U'\t') || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF;
        out += forbidden ? kReplacementCharacter : text.substr(begin, at - begin);
      }
    }
  }
  return out;
}

double text_width(std::string_view given) {
  std::string storage;
  const std::string_view text = valid_utf8(given, storage);
  double width = 0;
  for (std::size_t at = 0; at < text.size();) width += character_width(next_code_point(text, at));
  return width;
}

std::vector<std::string> wrapped(std::string_view text, double width) {
  std::vector<std::string> lines = {""};
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find_first_of(" -", at);
    end = end == std::string_view::npos ? text.size() : end + 1;
    const std::string word(text.substr(at, end - at));
    std::string bare = lines.back() + word;
    while (bare.ends_with(' ')) bare.pop_back();
    if (!lines.back().empty() && text_width(bare) > width) lines.emplace_back();
    lines.back() += word;
    at = end;
  }
  for (std::string& line : lines)
    while (line.ends_with(' ')) line.pop_back();
  return lines;
}

Svg::Svg(std::string id, double width, double height, std::string title, std::string description)
    : id_(std::move(id)),
      width_(width),
      height_(height),
      title_(std::move(title)),
      description_(std::move(description)) {}

std::string Svg::head(const std::string& style) const {
  return formatted(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" "
      "aria-labelledby=\"{}-title {}-text\"{}>{}<title id=\"{}-title\">{}</title><desc id=\"{}-text\">{}</desc>\n",
      width_, height_, id_, id_, style.empty() ? "" : formatted(" width=\"{:.0f}\" height=\"{:.0f}\"", width_, height_),
      style, id_, escape(title_), id_, escape(description_));
}

std::string Svg::file() const {
  const std::string style = "<style>" + std::string(kColours) + std::string(kPictureStyle) + "</style>";
  return head(style) + "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n" + body_ + "</svg>\n";
}

void Svg::shape(std::string_view element, std::string_view attributes, std::string_view classes, std::string_view tip) {
  body_ += formatted("<{} {} class=\"{}\"", element, attributes, classes);
  body_ += tip.empty() ? "/>\n" : formatted("><title>{}</title></{}>\n", escape(tip), element);
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  shape("line", formatted("x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"", x1, y1, x2, y2), classes, {});
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, std::string_view classes) {
  shape("polyline", "points=\"" + points_text(points) + "\"", classes, {});
}

void Svg::polygon(const std::vector<std::pair<double, double>>& points, std::string_view classes,
                  std::string_view tip) {
  shape("polygon", "points=\"" + points_text(points) + "\"", classes, tip);
}

void Svg::rectangle(double x, double y, double width, double height, std::string_view classes, std::string_view tip) {
  shape("rect",
        formatted("x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"", x, y, std::max(0.0, width),
                  std::max(0.0, height)),
        classes, tip);
}

void Svg::circle(double x, double y, double radius, std::string_view classes, std::string_view tip) {
  shape("circle", formatted("cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"", x, y, radius), classes, tip);
}

void Svg::text(double x, double y, double size, Anchor anchor, std::string_view classes, std::string_view text) {
  constexpr const char* kAnchors[] = {"start", "middle", "end"};
  body_ += formatted("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{:.3g}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n",
                     x, y, size, kAnchors[static_cast<int>(anchor)], classes, escape(text));
}

}  // namespace plumb::inline PLUMB_ABI::page
