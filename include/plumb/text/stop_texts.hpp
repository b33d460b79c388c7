#pragma once
/// @file
/// Texts that end a stream of text, wherever its pieces are cut.

#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Lets a text through up to the first of some stop texts. What may be the beginning of one is held back until it is
/// known.
class PLUMB_API StopTexts {
 public:
  StopTexts() = default;
  /// @throws Error{invalid_argument} for an empty text.
  explicit StopTexts(std::vector<std::string> texts);

  bool empty() const { return texts_.empty(); }
  /// The text that is sure to stand before any stop text, `piece` added to what was held back. Valid until the next
  /// call. Nothing after a stop text was found.
  std::string_view push(std::string_view piece);
  /// What was held back: the stream has ended without a stop text. Afterwards this is as new.
  std::string_view flush();
  /// Whether a stop text was found.
  bool found() const { return found_; }

 private:
  std::vector<std::string> texts_;
  std::string held_, ready_;
  bool found_ = false;
};

}  // namespace plumb
