#include "plumb/model/chat.hpp"

#include <algorithm>
#include <chrono>

#include "plumb/text/stop_texts.hpp"
#include "spliced_tokens.hpp"

namespace plumb::inline PLUMB_ABI {
namespace chat {
namespace {

using jinja::Dict;
using jinja::Kind;
using jinja::Value;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr EncodeOptions kTemplateText{.add_special = false, .parse_special = true};

void add_all(Dict& to, const Dict& from) {
  for (const Dict::Entry& entry : from) to.set(entry.key, entry.value);
}

}  // namespace
}  // namespace chat

struct Chat::State {
  State(Model handle, const ChatOptions& chosen)
      : model(std::move(handle)),
        options(chosen),
        templates(options.templates.empty() ? model.chat_templates() : options.templates),
        tokenizer(model.tokenizer()),
        named(templates.choose(options.template_name, !options.tools.is(jinja::Kind::none))),
        source(named.text, templates.source),
        format(ReplyFormat::of_template(named.text)),
        session(model, options.session) {
    find_end();
  }

  std::string render(const std::vector<jinja::Value>& conversation, bool add_generation_prompt) const;
  void find_end();
  void read(ChatReply& reply);
  /// Whether a reply ends at this token. Channels end with <|end|> each, and the reply goes on.
  bool ends(Token token) const {
    if (format.channels && tokenizer.spelling(token) == "<|end|>") return false;
    return token == end || tokenizer.is_end(token);
  }
  jinja::Value message(const ChatReply& reply) const;

  Model model;
  ChatOptions options;
  ChatTemplates templates;
  Tokenizer tokenizer;
  ChatTemplates::Named named;
  jinja::Template source;
  ReplyFormat format;
  Session session;
  std::vector<jinja::Value> messages;
  std::vector<Token> history;  // what the session has read, and the last token of a reply, which it may not have yet
  Token end = kNoToken;        // what the template puts behind a reply
  std::string prompt_end;      // of the last rendered text
};

std::string Chat::State::render(const std::vector<jinja::Value>& conversation, bool add_generation_prompt) const {
  jinja::Dict variables{{"messages", jinja::Value::list(conversation)},
                        {"tools", options.tools},
                        {"documents", {}},
                        {"add_generation_prompt", add_generation_prompt}};
  chat::add_all(variables, templates.variables);
  chat::add_all(variables, options.variables);
  return source.render(variables, {.now = options.now});
}

/// The control token that the template puts behind a reply, found by showing it one.
void Chat::State::find_end() {
  const std::string mark = "plumb-reply";
  try {
    const std::string text = render(
        {chat::Dict{{"role", "user"}, {"content", "x"}}, chat::Dict{{"role", "assistant"}, {"content", mark}}}, false);
    const std::size_t at = text.rfind(mark);
    if (at == std::string::npos) return;
    for (const Token token : tokenizer.encode(text.substr(at + mark.size()), chat::kTemplateText)) {
      if (tokenizer.type(token) == TokenType::control) {
        end = token;
        return;
      }
      const std::string_view bytes = tokenizer.decode(token);
      if (bytes.find_first_not_of(" \n") != std::string_view::npos) return;  // text: nothing ends here
    }
  } catch (const jinja::TemplateError&) {  // a template that wants other conversations has end tokens of its own
  }
}

/// Brings the session to where the conversation is, reading no token again that is still in its place.
void Chat::State::read(ChatReply& reply) {
  const std::string text = render(messages, true);
  const std::vector<Token> wanted = tokenizer.encode(text, chat::kTemplateText);
  if (wanted.empty()) throw Error(ErrorCode::invalid_argument, "the conversation is empty");
  SplicedTokens spliced = splice_tokens(tokenizer, history, wanted);
  if (spliced.tokens.size() > static_cast<std::size_t>(session.context()))
    throw Error(ErrorCode::context_overflow,
                "the conversation has " + std::to_string(spliced.tokens.size()) + " tokens, " +
                    std::to_string(spliced.tokens.size() - static_cast<std::size_t>(session.context())) +
                    " more than the context of " + std::to_string(session.context()));
  constexpr std::size_t kPromptEnd = 64;
  prompt_end = text.substr(text.size() - std::min(text.size(), kPromptEnd));
  const int kept = static_cast<int>(spliced.kept);
  reply.prompt_tokens = static_cast<int>(spliced.tokens.size());
  reply.dropped_tokens = static_cast<int>(history.size()) - kept;
  session.truncate(0, std::min(kept, session.length()));
  const int have = session.length();  // a generated token may wait to be read
  history = std::move(spliced.tokens);
  reply.reused_tokens = have;
  reply.read_tokens = reply.prompt_tokens - have;
  const auto start = chat::Clock::now();
  try {
    const auto rest = std::span<const Token>(history).subspan(static_cast<std::size_t>(have));
    if (!rest.empty() && session.prefill(rest, 0, options.generate.cancel) == ReadResult::stopped) {
      history.resize(static_cast<std::size_t>(session.length()));
      reply.read_tokens = session.length() - have;
      reply.stop = StopReason::cancelled;
    }
  } catch (...) {
    history.resize(static_cast<std::size_t>(session.length()));
    throw;
  }
  reply.prefill_seconds = chat::seconds_since(start);
}

jinja::Value Chat::State::message(const ChatReply& reply) const {
  chat::Dict out{{"role", "assistant"}, {"content", reply.answer}};
  if (!reply.reasoning.empty()) out.set("reasoning_content", reply.reasoning);
  if (!reply.tool_calls.empty()) out.set("tool_calls", jinja::Value::list(reply.tool_calls));
  return out;
}

Chat::Chat(Model model, const ChatOptions& options) : state_(std::make_unique<State>(std::move(model), options)) {}
Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;
Chat::~Chat() = default;

void Chat::add(std::string_view role, std::string_view content) {
  add(chat::Dict{{"role", role}, {"content", content}});
}
void Chat::add(jinja::Value message) { state_->messages.push_back(std::move(message)); }
std::vector<jinja::Value>& Chat::messages() { return state_->messages; }
ChatOptions& Chat::options() { return state_->options; }
const Session& Chat::session() const { return state_->session; }
const jinja::Template& Chat::chat_template() const { return state_->source; }

std::string Chat::render(bool add_generation_prompt) const {
  return state_->render(state_->messages, add_generation_prompt);
}

std::vector<Token> Chat::tokens(bool add_generation_prompt) const {
  return state_->tokenizer.encode(render(add_generation_prompt), chat::kTemplateText);
}

ChatReply Chat::reply(const Sink& sink) {
  State& s = *state_;
  ChatReply reply;
  s.read(reply);
  if (reply.stop == StopReason::cancelled) return reply;
  ReplyParser parser(s.format, s.prompt_end);
  std::string calls;
  bool going = true;
  const auto give_calls = [&] {
    for (jinja::Value& call : parse_tool_calls(calls)) reply.tool_calls.push_back(std::move(call));
    calls.clear();
  };
  const auto take = [&](const std::vector<ReplyParser::Piece>& pieces) {
    for (const ReplyParser::Piece& piece : pieces) {
      if (piece.begins) give_calls();
      (piece.part == ReplyPart::answer      ? reply.answer
       : piece.part == ReplyPart::reasoning ? reply.reasoning
                                            : calls) += piece.text;
      if (sink && going) going = sink(piece.part, piece.text);
    }
  };
  StreamDecoder decoder(s.tokenizer, {.render_special = true});
  for (const Token token : s.history) decoder.push(token);  // what follows continues a text
  StopTexts stops(s.options.generate.stop);
  GenerateOptions options = s.options.generate;
  options.stop.clear();  // they are looked for here, where nothing of them is shown
  const auto start = chat::Clock::now();
  Generation generation = s.session.generate(options);
  for (const Token token : generation) {
    if (s.options.generate.stop_at_end && s.ends(token)) {
      reply.stop = StopReason::end_token;
      break;
    }
    s.history.push_back(token);
    ++reply.new_tokens;
    const std::string_view text = decoder.push(token);
    if (s.tokenizer.type(token) != TokenType::control || s.format.knows(text)) take(parser.push(stops.push(text)));
    if (stops.found()) reply.stop = StopReason::stop_text;
    if (stops.found() || !going) break;
  }
  if (!stops.found()) {
    take(parser.push(stops.push(decoder.flush())));
    take(parser.push(stops.flush()));
  }
  take(parser.flush());
  give_calls();
  reply.decode_seconds = chat::seconds_since(start);
  // At a full context tokens in the middle are forgotten.
  if (generation.shifted() > 0) s.history.assign(s.session.tokens().begin(), s.session.tokens().end());
  if (reply.stop == StopReason::none && going) reply.stop = generation.stop_reason();
  if (reply.stop == StopReason::cancelled && reply.new_tokens == 0) return reply;  // no empty message
  add(s.message(reply));
  return reply;
}

ChatTemplates plain_chat_template(const Model& model) {
  ChatTemplates out;
  out.source = "plain text";
  const Token bos = model.tokenizer().bos();
  const bool begins = bos != kNoToken && model.tokenizer().vocabulary().add_bos;
  out.variables.set("bos_token", begins ? model.tokenizer().spelling(bos) : std::string_view());
  out.templates.push_back({"default", "{{ bos_token }}{% for message in messages %}{{ message.content }}{% endfor %}"});
  return out;
}

}  // namespace plumb
