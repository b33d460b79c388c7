#include "line_editor.hpp"

#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <iostream>
#include <string_view>

#if defined(PLUMB_LIBEDIT)
#include <histedit.h>
#endif

namespace plumb::cli {

#if defined(PLUMB_LIBEDIT)

struct LineEditor::Library {
  Library() {
    // libedit reads code points, as many bytes each as the locale says.
    const char* locale = std::setlocale(LC_CTYPE, "");
    if (!locale || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    editor = el_init("plumb", stdin, stdout, stderr);
    past = history_init();
    HistEvent event;
    history(past, &event, H_SETSIZE, 1000);
    history(past, &event, H_SETUNIQUE, 1);
    el_set(editor, EL_CLIENTDATA, this);
    el_set(
        editor, EL_PROMPT, +[](EditLine* of) {
          Library* self = nullptr;
          el_get(of, EL_CLIENTDATA, &self);
          return self->prompt.data();
        });
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_HIST, history, past);
    // Ctrl-C is a key while a line is typed: it wipes the line.
    el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
    el_set(editor, EL_BIND, "^C", "em-kill-line", nullptr);
    el_source(editor, nullptr);  // what people have in ~/.editrc
  }
  ~Library() {
    history_end(past);
    el_end(editor);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  std::string prompt;
  EditLine* editor = nullptr;
  History* past = nullptr;
};

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  if (library_) {
    library_->prompt = prompt;
    int size = 0;
    const char* line = el_gets(library_->editor, &size);
    if (!line || size <= 0) {
      std::fputc('\n', stdout);
      return std::nullopt;
    }
    std::string_view text(line, static_cast<std::size_t>(size));
    if (text.ends_with('\n')) text.remove_suffix(1);
    return std::string(text);
  }
#else

struct LineEditor::Library {};

std::optional<std::string> LineEditor::read(const std::string& prompt) {
#endif
  if (interactive_) {
    std::fputs(prompt.c_str(), stdout);
    std::fflush(stdout);
  }
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

void LineEditor::remember([[maybe_unused]] const std::string& text) {
#if defined(PLUMB_LIBEDIT)
  if (!library_ || text.empty()) return;
  HistEvent event;
  history(library_->past, &event, H_ENTER, text.c_str());
#endif
}

LineEditor::LineEditor() : interactive_(::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) {
#if defined(PLUMB_LIBEDIT)
  if (interactive_) library_ = std::make_unique<Library>();
#endif
}
LineEditor::~LineEditor() = default;

}  // namespace plumb::cli
