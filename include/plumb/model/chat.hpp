#pragma once
/// @file
/// A conversation with a model: messages and tools in, a reply out. What the session has read is kept from turn to
/// turn: only what the template adds is computed.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/jinja/template.hpp"
#include "plumb/model/chat_templates.hpp"
#include "plumb/model/reply_parts.hpp"
#include "plumb/model/session.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to hold a conversation.
struct ChatOptions {
  SessionOptions session = {};
  GenerateOptions generate = {};
  ChatTemplates templates = {};              ///< instead of the model's; empty: the model's
  std::string template_name = {};            ///< which of several; empty: as ChatTemplates::choose
  jinja::Dict variables = {};                ///< more for the template, such as enable_thinking
  std::optional<jinja::LocalTime> now = {};  ///< for templates that show the date
  jinja::Value tools = {};                   ///< a list of tools as JSON schemas, or None
};

/// A reply, and what it cost.
struct ChatReply {
  std::string answer, reasoning;
  std::vector<jinja::Value> tool_calls;  ///< as in the message that is added to the conversation
  StopReason stop = StopReason::none;    ///< none: the sink ended it
  int prompt_tokens = 0;                 ///< of the conversation up to the reply
  int reused_tokens = 0;                 ///< of these, read in an earlier turn
  int read_tokens = 0;                   ///< read now
  int dropped_tokens = 0;                ///< read earlier, and changed by the template since
  int new_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0;

  double prefill_speed() const { return prefill_seconds > 0 ? read_tokens / prefill_seconds : 0; }
  double decode_speed() const { return decode_seconds > 0 && new_tokens > 1 ? (new_tokens - 1) / decode_seconds : 0; }
};

/// One conversation. Not for use from several threads at once.
class PLUMB_API Chat {
 public:
  /// Hears pieces of a reply as they come; false ends the reply there.
  using Sink = std::function<bool(ReplyPart part, std::string_view text)>;

  /// @throws Error{missing_key} for a model without tokenizer or without a chat template, TemplateError for one that
  /// does not parse, and as Session.
  Chat(Model model, const ChatOptions& options = {});
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  /// Adds a message.
  void add(std::string_view role, std::string_view content);
  /// Adds a message with other fields: tool_calls, reasoning_content, a list of parts as content.
  void add(jinja::Value message);
  /// All messages. What is changed in them is read when the next reply is asked for.
  std::vector<jinja::Value>& messages();

  /// The conversation as the template shows it, with the beginning of a reply if asked for. @throws TemplateError.
  std::string render(bool add_generation_prompt = true) const;
  /// Its tokens.
  std::vector<Token> tokens(bool add_generation_prompt = true) const;

  /// Reads what is new, lets the model reply, and adds the reply to the messages. Ends at the model's end tokens, at
  /// the one that the template ends a reply with, and before the first of the stop texts (generate.stop). @throws
  /// TemplateError, Error{context_overflow} for a conversation that is longer than the context; the messages are then
  /// as before. They are too where generate.cancel asks for an end before the first token: `stop` is then `cancelled`,
  /// and what was read stays read.
  ChatReply reply(const Sink& sink = {});

  ChatOptions& options();
  const Session& session() const;
  const jinja::Template& chat_template() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A template for models that have none: the messages one after the other, so that the model continues the text.
PLUMB_API ChatTemplates plain_chat_template(const Model& model);

}  // namespace plumb
