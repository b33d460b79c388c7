#pragma once
/// Lines from a person, with editing and a history where the terminal and libedit allow, or from a pipe.

#include <memory>
#include <optional>
#include <string>

namespace plumb::cli {

class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// Whether a person types, and sees what is printed.
  bool interactive() const { return interactive_; }
  /// The next line without its end; nothing at the end of the input.
  std::optional<std::string> read(const std::string& prompt);
  /// Adds a text to what the arrow keys bring back.
  void remember(const std::string& text);

 private:
  struct Library;
  bool interactive_;
  std::unique_ptr<Library> library_;  // null: plain reading
};

}  // namespace plumb::cli
