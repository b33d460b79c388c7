#pragma once
/// @file
/// What a model says, taken apart while it is said: reasoning, calls of tools, and the answer itself.

#include <string>
#include <string_view>
#include <vector>

#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI {

enum class ReplyPart { answer, reasoning, tool_call };

/// Two marks with something between them.
struct PartMarks {
  std::string begin, end;  ///< an empty end: up to the end of the reply
  ReplyPart part = ReplyPart::reasoning;
};

/// How the replies of a family of templates are to be read: found in the template's text.
struct ReplyFormat {
  std::vector<PartMarks> marks;
  std::vector<std::string> dropped;  ///< marks that are neither part nor text
  bool channels = false;             ///< gpt-oss: <|channel|>NAME<|message|>..., with to=TOOL before or behind NAME
  bool bare_calls = false;           ///< Llama 3: a reply that is a JSON object is a call

  /// <think>, [THINK], <|START_THINKING|>; <tool_call> (Hermes, Qwen, GLM), [TOOL_CALLS] (Mistral), <|python_tag|> and
  /// bare JSON (Llama 3), DeepSeek's marks, <|tool_call|> (Granite, Phi), <|START_ACTION|> (Command R), channels
  /// (gpt-oss).
  static ReplyFormat of_template(std::string_view text);
  /// Whether this spelling of a control token belongs to a mark; others mean nothing to a reader.
  bool knows(std::string_view spelling) const;
};

/// Takes a reply apart, piece by piece as it is generated. Marks themselves are not handed out; what may be the
/// beginning of one is held back until it is known.
class PLUMB_API ReplyParser {
 public:
  struct Piece {
    ReplyPart part;
    std::string text;
    bool begins = false;  ///< the first piece of its part
  };

  /// `prompt_end`: the end of the rendered conversation, which may have opened a part already ("<think>\n").
  explicit ReplyParser(ReplyFormat format, std::string_view prompt_end = {});

  /// What this text completes.
  std::vector<Piece> push(std::string_view text);
  /// What was held back.
  std::vector<Piece> flush();

 private:
  void read(std::vector<Piece>& out, bool last);
  void give(std::vector<Piece>& out, std::size_t bytes);
  void open(ReplyPart part, std::string end);
  bool open_channel();
  bool read_header(bool last);

  ReplyFormat format_;
  std::string held_;
  ReplyPart part_ = ReplyPart::answer;
  std::string end_;         // of the part that is open; empty: the answer, or up to the end
  bool fresh_ = true;       // nothing of the part was handed out
  bool started_ = false;    // something of the reply was
  bool in_header_ = false;  // channels: a message begins, perhaps with its recipient
};

/// The calls that the text of a tool_call part spells, as templates take them back:
/// [{"type": "function", "function": {"name": ..., "arguments": {...}}}]. Knows JSON objects and lists of them (with
/// "arguments" or "parameters"), "name{...}", "name[ARGS]{...}", DeepSeek's, gpt-oss's, and the XML-like forms of
/// Qwen3-Coder and GLM 4.5. Empty for anything else.
PLUMB_API std::vector<jinja::Value> parse_tool_calls(std::string_view text);

}  // namespace plumb
