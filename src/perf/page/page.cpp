#include "page.hpp"

#include <algorithm>
#include <set>

#include "../../core/format.hpp"
#include "plumb/io/atomic_file.hpp"
#include "style.hpp"

namespace plumb::inline PLUMB_ABI::page {
namespace {

const char* class_of(Column::Kind kind) {
  switch (kind) {
    case Column::Kind::name: return " class=\"l\"";
    case Column::Kind::prose: return " class=\"w\"";
    case Column::Kind::number: break;
  }
  return "";
}

/// A text as an address that holds it.
std::string data_uri(const DataFile& file) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~!*'(),:;@$/?";
  std::string uri = "data:" + file.mime + ";charset=utf-8,";
  for (const char c : file.text) {
    if (kPlain.find(c) != std::string_view::npos)
      uri += c;
    else
      uri += formatted("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return uri;
}

/// JSON that may stand in a script element: no '<' can end it there.
std::string json_in_html(std::string_view json) {
  std::string out;
  for (const char c : json)
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  return out;
}

std::string id_of(std::string_view name) {
  std::string id = "data-";
  for (const char c : name) id += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  return id;
}

std::string data_html(const std::vector<DataFile>& files) {
  std::string html = "<section class=\"data\"><h2>The numbers of this page as data</h2>\n";
  for (const DataFile& file : files) {
    const bool json = file.mime == "application/json";
    html += formatted("<p><a download=\"{}\" href=\"{}\">Save {}</a> ({:.3g} kB)", escape(file.name),
                      escape(data_uri(file)), escape(file.name), static_cast<double>(file.text.size()) * 1e-3);
    if (json) {
      html += formatted(", or read it from the element <code>#{}</code>.</p>\n", id_of(file.name)) +
              formatted("<script type=\"application/json\" id=\"{}\">", id_of(file.name)) + json_in_html(file.text) +
              "</script>\n";
    } else {
      html += formatted("</p>\n<details><summary>Show {}</summary><pre tabindex=\"0\">{}</pre></details>\n",
                        escape(file.name), escape(file.text));
    }
  }
  return html + "</section>\n";
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

}  // namespace

void Page::end_pictures() {
  if (in_pictures_) body_ += "</div>\n";
  in_pictures_ = false;
}

void Page::section(std::string_view title) {
  end_pictures();
  body_ += "<h2>" + escape(title) + "</h2>\n";
}

void Page::paragraph(std::string_view text) {
  end_pictures();
  body_ += "<p>" + escape(text) + "</p>\n";
}

void Page::list(const std::vector<std::string>& items) {
  if (items.empty()) return;
  end_pictures();
  body_ += "<ul>\n";
  for (const std::string& item : items) body_ += "<li>" + escape(item) + "</li>\n";
  body_ += "</ul>\n";
}

void Page::note(std::string_view text) {
  end_pictures();
  body_ += "<p class=\"note\">" + escape(text) + "</p>\n";
}

void Page::table(const HtmlTable& table) {
  end_pictures();
  body_ += formatted("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table>",
                     escape(table.caption.empty() ? "table" : table.caption));
  if (!table.caption.empty()) body_ += "<caption>" + escape(table.caption) + "</caption>";
  body_ += "<thead><tr>";
  for (const Column& column : table.columns)
    body_ += formatted("<th scope=\"col\"{}>{}{}</th>", class_of(column.kind), escape(column.title),
                       column.unit.empty() ? "" : "<small>" + escape(column.unit) + "</small>");
  body_ += "</tr></thead><tbody>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const bool best = std::find(table.best.begin(), table.best.end(), r) != table.best.end();
    body_ += best ? "<tr class=\"best\">" : "<tr>";
    for (std::size_t c = 0; c < table.rows[r].size(); ++c) {
      const char* classes = c < table.columns.size() ? class_of(table.columns[c].kind) : "";
      body_ += c == 0 ? formatted("<th scope=\"row\"{}>{}</th>", classes, escape(table.rows[r][c]))
                      : formatted("<td{}>{}</td>", classes, escape(table.rows[r][c]));
    }
    body_ += "</tr>\n";
  }
  body_ += "</tbody></table></div>\n";
}

void Page::folded(std::string_view summary, const HtmlTable& table) {
  end_pictures();
  body_ += "<details><summary>" + escape(summary) + "</summary>\n";
  this->table(table);
  body_ += "</details>\n";
}

void Page::picture(const Picture& picture) {
  if (!in_pictures_) body_ += "<div class=\"pictures\">\n";
  in_pictures_ = true;
  body_ += formatted("<figure><h3>{}</h3>\n{}<figcaption>{}</figcaption></figure>\n", escape(picture.title),
                     picture.svg, escape(picture.caption));
}

void Page::explain(const std::vector<Term>& terms) {
  for (const Term& term : terms)
    if (std::none_of(terms_.begin(), terms_.end(), [&](const Term& known) { return known.word == term.word; }))
      terms_.push_back(term);
}

std::string Page::html() const {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>" +
      escape(title_) + "</title>\n<style>" + std::string(kColours) + std::string(kPageStyle) +
      std::string(kPictureStyle) + "</style></head>\n<body><main>\n<h1>" + escape(title_) +
      "</h1>\n<p class=\"answer\">" + escape(answer_) + "</p>\n" + body_ + (in_pictures_ ? "</div>\n" : "");
  if (!terms_.empty()) {
    html += "<h2>Words</h2>\n<dl>\n";
    for (const Term& term : terms_) html += "<dt>" + escape(term.word) + "</dt><dd>" + escape(term.meaning) + "</dd>\n";
    html += "</dl>\n";
  }
  if (!data_.empty()) html += data_html(data_);
  return html + "</main></body></html>\n";
}

std::string csv_of(const HtmlTable& table) {
  std::string csv;
  const auto line = [&](const auto& cells, const auto& text) {
    std::string row;
    for (std::size_t i = 0; i < cells.size(); ++i) row += (i > 0 ? "," : "") + csv_cell(text(cells[i]));
    csv += row + "\r\n";
  };
  line(table.columns, [](const Column& c) { return c.unit.empty() ? c.title : c.title + " (" + c.unit + ")"; });
  for (const std::vector<std::string>& row : table.rows) line(row, [](const std::string& cell) { return cell; });
  return csv;
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(std::string(text));
  file.commit();
}

}  // namespace plumb::inline PLUMB_ABI::page
