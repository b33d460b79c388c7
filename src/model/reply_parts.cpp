#include "plumb/model/reply_parts.hpp"

#include <algorithm>

namespace plumb::inline PLUMB_ABI {
namespace reply_parts {
namespace {

/// A family's marks, and what its templates have that no other's do.
struct Family {
  std::string_view sign;
  PartMarks marks;
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"<think>", {"<think>", "</think>", ReplyPart::reasoning}},
      {"</think>", {"<think>", "</think>", ReplyPart::reasoning}},
      {"[THINK]", {"[THINK]", "[/THINK]", ReplyPart::reasoning}},
      {"<|START_THINKING|>", {"<|START_THINKING|>", "<|END_THINKING|>", ReplyPart::reasoning}},
      {"<tool_call>", {"<tool_call>", "</tool_call>", ReplyPart::tool_call}},
      {"[TOOL_CALLS]", {"[TOOL_CALLS]", "", ReplyPart::tool_call}},
      {"<|python_tag|>", {"<|python_tag|>", "", ReplyPart::tool_call}},
      {"<|tool_call|>", {"<|tool_call|>", "<|/tool_call|>", ReplyPart::tool_call}},
      {"<|START_ACTION|>", {"<|START_ACTION|>", "<|END_ACTION|>", ReplyPart::tool_call}},
      {"<｜tool▁call▁begin｜>", {"<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", ReplyPart::tool_call}},
      {"<function=", {"<function=", "</function>", ReplyPart::tool_call}},
  };
  return all;
}

constexpr std::string_view kChannelMarks[] = {"<|channel|>", "<|message|>", "<|end|>",      "<|start|>",
                                              "<|call|>",    "<|return|>",  "<|constrain|>"};

constexpr std::string_view kStart = "<|start|>assistant";
constexpr std::string_view kMessage = "<|message|>", kRecipient = "to=";

/// What stands behind "to=" in the header of a message, if that is a tool; else empty.
std::string_view tool_of(std::string_view header) {
  const std::size_t at = header.find(kRecipient);
  if (at == std::string_view::npos) return {};
  header.remove_prefix(at + kRecipient.size());
  std::string_view name = header.substr(0, header.find_first_of(" \n<"));
  constexpr std::string_view kFunctions = "functions.";
  if (name.starts_with(kFunctions)) name.remove_prefix(kFunctions.size());
  return name == "user" || name == "all" || name == "assistant" ? std::string_view() : name;
}

/// Whether a header may begin so, before its channel: " to=functions.f ".
bool may_name_recipient(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.size() < kRecipient.size()) return kRecipient.starts_with(text);
  const std::size_t space = text.find_first_of(" \n");
  return text.starts_with(kRecipient) && text.find_first_not_of(" \n", space) == std::string_view::npos;
}

/// Where a mark begins in `text`, whole or cut off by its end; npos if nowhere.
std::size_t first_of(std::string_view text, std::string_view mark) {
  const std::size_t whole = text.find(mark);
  if (whole != std::string_view::npos) return whole;
  for (std::size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size)
    if (text.ends_with(mark.substr(0, size))) return text.size() - size;
  return std::string_view::npos;
}

}  // namespace
}  // namespace reply_parts

ReplyFormat ReplyFormat::of_template(std::string_view text) {
  ReplyFormat out;
  const auto has = [&](std::string_view what) { return text.find(what) != std::string_view::npos; };
  if (has("<|channel|>") && has("<|message|>")) {
    out.channels = true;
    return out;
  }
  for (const auto& family : reply_parts::families()) {
    const auto known = [&](const PartMarks& marks) { return marks.begin == family.marks.begin; };
    if (has(family.sign) && std::none_of(out.marks.begin(), out.marks.end(), known)) out.marks.push_back(family.marks);
  }
  // Qwen3-Coder has functions inside of its calls.
  if (has("<tool_call>")) std::erase_if(out.marks, [](const PartMarks& m) { return m.begin == "<function="; });
  if (has("<｜tool▁calls▁begin｜>")) out.dropped = {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"};
  if (has("<|START_RESPONSE|>"))
    out.dropped = {"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"};
  out.bare_calls = has("<|python_tag|>") || has("\"parameters\": dictionary of argument name");
  return out;
}

bool ReplyFormat::knows(std::string_view spelling) const {
  if (spelling.empty()) return false;
  if (channels)
    return std::find(std::begin(reply_parts::kChannelMarks), std::end(reply_parts::kChannelMarks), spelling) !=
           std::end(reply_parts::kChannelMarks);
  const auto holds = [&](const std::string& mark) { return mark.find(spelling) != std::string::npos; };
  return std::any_of(marks.begin(), marks.end(), [&](const PartMarks& m) { return holds(m.begin) || holds(m.end); }) ||
         std::any_of(dropped.begin(), dropped.end(), holds) || spelling == "<｜tool▁sep｜>" ||
         spelling == "[CALL_ID]" || spelling == "[ARGS]";
}

ReplyParser::ReplyParser(ReplyFormat format, std::string_view prompt_end) : format_(std::move(format)) {
  // A prompt that ends with <think> and white space has begun the reasoning.
  while (!prompt_end.empty() && (prompt_end.back() == ' ' || prompt_end.back() == '\n')) prompt_end.remove_suffix(1);
  for (const PartMarks& marks : format_.marks) {
    if (!prompt_end.ends_with(marks.begin)) continue;
    part_ = marks.part;
    end_ = marks.end;
  }
  if (format_.channels) {
    // Channels are parts whose names stand between two marks.
    format_.marks = {{"<|channel|>", "<|message|>", ReplyPart::answer}};
    format_.dropped = {std::string(reply_parts::kStart), "<|constrain|>", "<|return|>", "<|end|>", "<|call|>"};
    in_header_ = !prompt_end.ends_with("<|message|>");
  }
}

void ReplyParser::give(std::vector<Piece>& out, std::size_t bytes) {
  if (bytes == 0) return;
  out.push_back({part_, held_.substr(0, bytes), fresh_});
  fresh_ = false;
  started_ = true;
  held_.erase(0, bytes);
}

std::vector<ReplyParser::Piece> ReplyParser::push(std::string_view text) {
  std::vector<Piece> out;
  held_ += text;
  read(out, false);
  return out;
}

std::vector<ReplyParser::Piece> ReplyParser::flush() {
  std::vector<Piece> out;
  read(out, true);
  return out;
}

void ReplyParser::open(ReplyPart part, std::string end) {
  part_ = part;
  end_ = std::move(end);
  fresh_ = true;
}

/// At <|channel|>NAME to=WHOM<|message|> or to=WHOM<|channel|>NAME<|message|>: false while that is not all there.
bool ReplyParser::open_channel() {
  using reply_parts::kMessage;
  const std::size_t message = held_.find(kMessage);
  if (message == std::string::npos) return false;
  const std::string header = held_.substr(0, message);
  held_.erase(0, message + kMessage.size());
  if (const std::string_view tool = reply_parts::tool_of(header); !tool.empty()) {
    open(ReplyPart::tool_call, "<|call|>");
    held_.insert(0, tool);
  } else {
    const bool reasoning = header.find("<|channel|>analysis") != std::string::npos;
    open(reasoning ? ReplyPart::reasoning : ReplyPart::answer, "<|end|>");
  }
  return true;
}

/// At the begin of a message, where its recipient may stand: false while that is not known.
bool ReplyParser::read_header(bool last) {
  const std::string_view before = std::string_view(held_).substr(0, held_.find('<'));
  const bool marked = before.size() < held_.size(),
             named = before.find(reply_parts::kRecipient) != std::string_view::npos;
  const bool possible = reply_parts::may_name_recipient(before) && (marked ? named : !last);
  if (!possible || open_channel()) {
    in_header_ = false;
    return true;
  }
  if (last) held_.clear();
  return false;
}

void ReplyParser::read(std::vector<Piece>& out, bool last) {
  if (format_.bare_calls && !started_ && part_ == ReplyPart::answer) {
    const std::size_t first = held_.find_first_not_of(" \n");
    if (first == std::string::npos && !last) return;
    if (first != std::string::npos && held_[first] == '{') open(ReplyPart::tool_call, "");
  }
  while (!held_.empty()) {
    if (in_header_ && !read_header(last)) return;
    // What ends the open part; in the answer, what begins another.
    const bool opens = part_ == ReplyPart::answer || format_.channels;
    std::vector<std::string> marks = opens ? format_.dropped : std::vector<std::string>();
    if (!end_.empty()) marks.push_back(end_);
    const std::size_t first_begin = marks.size();
    if (opens)
      for (const PartMarks& m : format_.marks) marks.push_back(m.begin);
    std::size_t at = std::string::npos, which = 0;
    for (std::size_t i = 0; i < marks.size(); ++i) {
      const std::size_t found = reply_parts::first_of(held_, marks[i]);
      if (found < at || (found == at && found != std::string::npos && marks[i].size() > marks[which].size() &&
                         held_.compare(at, marks[i].size(), marks[i]) == 0))
        at = found, which = i;
    }
    if (at == std::string::npos) return give(out, held_.size());
    const bool whole = held_.compare(at, marks[which].size(), marks[which]) == 0;
    give(out, at);
    if (!whole) {
      if (!last) return;  // it may become a mark
      give(out, held_.size());
      return;
    }
    if (format_.channels && which >= first_begin) {
      if (open_channel()) continue;
      if (last) held_.clear();
      return;
    }
    held_.erase(0, marks[which].size());
    if (which >= first_begin) {
      const PartMarks& m = format_.marks[which - first_begin];
      open(m.part, m.end);
      if (m.begin == "<function=") held_.insert(0, m.begin);  // its name follows
    } else if (marks[which] == end_ || format_.channels) {
      if (marks[which] != "<|constrain|>") open(ReplyPart::answer, "");
      in_header_ = marks[which] == reply_parts::kStart;
    }
  }
}

}  // namespace plumb
