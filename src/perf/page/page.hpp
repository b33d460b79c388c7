#pragma once
/// A report as one HTML file that needs nothing else: no script to be read, no network, no other file.
///
///   Page page("Report card of tiny.gguf", "Q4_K_M keeps 99% of the best guesses in 28% of the memory.");
///   page.picture(pareto(...));          // pictures that follow each other stand side by side
///   page.section("What was measured");
///   page.table({...});
///   page.data({"cards.csv", "text/csv", csv});
///   write_file("card.html", page.html());

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "plot.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// A table's column. `unit` stands small below the title.
struct Column {
  enum class Kind {
    number,  ///< to the right
    name,    ///< to the left
    prose,   ///< to the left, on as many lines as it takes
  };
  std::string title;
  std::string unit = {};
  Kind kind = Kind::number;
};

struct HtmlTable {
  std::string caption;  ///< may be empty
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::size_t> best = {};  ///< rows to stand out: what the page's answer names
};

/// A word and what it means here.
struct Term {
  std::string word, meaning;
};

/// What the page shows, for programs.
struct DataFile {
  std::string name;  ///< "cards.csv"; letters, digits, '.', '-' and '_'
  std::string mime;  ///< "text/csv", "application/json"
  std::string text;
};

class Page {
 public:
  /// `title` names the page; `answer` is its first sentence, and shall be what the reader came for.
  Page(std::string title, std::string answer) : title_(std::move(title)), answer_(std::move(answer)) {}

  void section(std::string_view title);
  void paragraph(std::string_view text);
  void list(const std::vector<std::string>& items);
  /// Something to be careful about.
  void note(std::string_view text);
  void table(const HtmlTable& table);
  /// A table that is opened by whoever wants it.
  void folded(std::string_view summary, const HtmlTable& table);
  void picture(const Picture& picture);
  /// Words that the page uses; shown at its end.
  void explain(const std::vector<Term>& terms);
  /// Shown at the end too, to be saved or read.
  void data(DataFile file) { data_.push_back(std::move(file)); }

  std::string html() const;

 private:
  void end_pictures();

  std::string title_, answer_, body_;
  bool in_pictures_ = false;
  std::vector<Term> terms_;
  std::vector<DataFile> data_;
};

/// RFC 4180 from a table: titles with their units, then the rows.
std::string csv_of(const HtmlTable& table);

/// Writes a text, complete or not at all. @throws Error{io}.
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace plumb::inline PLUMB_ABI::page
