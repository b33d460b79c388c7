#include "plumb/text/stop_texts.hpp"

#include <algorithm>
#include <utility>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

StopTexts::StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {
  for (const std::string& text : texts_)
    if (text.empty()) throw Error(ErrorCode::invalid_argument, "a stop text is empty");
}

std::string_view StopTexts::push(std::string_view piece) {
  ready_.clear();
  if (found_) return ready_;
  held_ += piece;
  std::size_t end = std::string::npos;  // of the text before the first stop text
  for (const std::string& text : texts_) end = std::min(end, held_.find(text));
  if (end != std::string::npos) {
    found_ = true;
    ready_.assign(held_, 0, end);
    held_.clear();
    return ready_;
  }
  std::size_t wait = 0;  // bytes at the end that may begin a stop text
  for (const std::string& text : texts_) {
    for (std::size_t n = std::min(text.size() - 1, held_.size()); n > wait; --n)
      if (std::string_view(held_).ends_with(std::string_view(text).substr(0, n))) wait = n;
  }
  ready_.assign(held_, 0, held_.size() - wait);
  held_.erase(0, held_.size() - wait);
  return ready_;
}

std::string_view StopTexts::flush() {
  ready_ = std::exchange(held_, {});
  found_ = false;
  return ready_;
}

}  // namespace plumb
