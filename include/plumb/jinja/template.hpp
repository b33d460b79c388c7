#pragma once
/// @file
/// A chat template: Jinja as transformers runs it (trim_blocks, lstrip_blocks, loop controls, `generation`), in a
/// sandbox. A template sees the variables it is given and nothing else: no files, no environment, no clock of its own.
///
/// Not in the language here: the filters `random`, `urlize` and `wordwrap`, the function `lipsum`, and templates that
/// load others (include, import, extends), which are errors when they run.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "plumb/jinja/budget.hpp"
#include "plumb/jinja/error.hpp"
#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// A moment as a calendar and a clock on the wall show it.
struct LocalTime {
  int year = 1970, month = 1, day = 1;  ///< month and day from 1
  int hour = 0, minute = 0, second = 0;
};

/// Around the variables of a render.
struct RenderOptions {
  std::optional<LocalTime> now = {};  ///< what strftime_now shows; without it, that function is an error
  Limits limits = {};
};

/// A template, parsed. Immutable, cheap to copy, safe to use from any number of threads.
class PLUMB_API Template {
 public:
  /// `name` stands for the template in messages. @throws TemplateError{syntax, limit}.
  explicit Template(std::string_view text, std::string name = "chat template");

  /// The text that the template makes of these variables. @throws TemplateError.
  std::string render(const Dict& variables, const RenderOptions& options = {}) const;

  const std::string& name() const;
  const std::string& text() const;

  struct Tree;

 private:
  std::shared_ptr<const Tree> tree_;
};

}  // namespace plumb
