/// Conversations: what is read again and what is not, where replies end, what stands in the messages afterwards.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "plumb/model/chat.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"

namespace plumb::chat_test {
namespace {

constexpr const char* kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
constexpr const char* kLlama2 =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}"
    "{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}";
/// Forgets what was said earlier, as templates of reasoning models do.
constexpr const char* kForgetful =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content if loop.revindex < 3 or m.role == 'user' "
    "}}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// A small model whose vocabulary has the marks of ChatML.
test::GgufBuilder chat_model(bool spm, const std::string& chat_template) {
  test::GgufBuilder file;
  test::TinyShape shape;
  shape.context = 2048;
  if (spm) {
    test::add_tiny_llama(file, test::add_spm_vocabulary(file, true), shape);
  } else {
    std::vector<std::string> tokens = test::byte_level_alphabet();
    for (const char* piece : {"he", "re", "the", "\u0120the", "er", "<|endoftext|>", "<|im_start|>", "<|im_end|>"})
      tokens.emplace_back(piece);
    std::vector<std::int32_t> types(tokens.size(), test::token_type::normal);
    std::fill(types.end() - 3, types.end(), test::token_type::control);
    file.set_string("tokenizer.ggml.model", "gpt2");
    file.set_string("tokenizer.ggml.pre", "gpt-2");
    file.set_strings("tokenizer.ggml.tokens", tokens);
    file.set_numbers<std::int32_t>("tokenizer.ggml.token_type", test::value_type::i32, types);
    const std::vector<std::string> merges = {"h e", "r e", "t he", "\u0120 the", "e r"};
    file.set_strings("tokenizer.ggml.merges", merges);
    file.set_u32("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(tokens.size() - 3));
    test::add_tiny_llama(file, tokens.size(), shape);
  }
  if (!chat_template.empty()) file.set_string("tokenizer.chat_template", chat_template);
  return file;
}

/// Sampling from letters alone: bytes that are no text would come back as U+FFFD from the template.
ChatOptions options(const Model& model) {
  ChatOptions out;
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  const Tokenizer& tokenizer = model.tokenizer();
  for (Token token = 0; token < static_cast<Token>(tokenizer.size()); ++token) {
    const std::string_view bytes = tokenizer.decode(token);
    const bool text = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (!text || bytes.empty() || tokenizer.type(token) == TokenType::control)
      out.generate.sampling.logit_bias.push_back({token, kNever});
  }
  out.session = {.context = 2048, .threads = 1};
  out.generate.max_tokens = 12;
  out.generate.sampling.temperature = 1.5f;
  return out;
}

/// Twenty turns; the rows of all passes are the tokens of the conversation, each once, but for `dropped` ones.
void talk(const Model& model, bool changes) {
  Chat chat(model, options(model));
  int rows = 0, replies = 0, dropped = 0;
  for (int turn = 0; turn < 20; ++turn) {
    chat.options().generate.sampling.seed = static_cast<std::uint64_t>(turn);
    chat.add("user", "the there " + std::to_string(turn));
    const std::vector<Token> before = {chat.session().tokens().begin(), chat.session().tokens().end()};
    const ChatReply reply = chat.reply();
    EXPECT_EQ(reply.reused_tokens + reply.read_tokens, reply.prompt_tokens);
    const std::span<const Token> now = chat.session().tokens();
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + reply.reused_tokens, now.begin())) << turn;
    rows += reply.read_tokens;
    replies += reply.new_tokens;
    dropped += reply.dropped_tokens;
    EXPECT_EQ(chat.messages().size(), static_cast<std::size_t>(2 * turn + 2));
  }
  // The last token of the last reply may wait to be read, and so may one of each reply that the token limit ended.
  const int length = chat.session().length();
  EXPECT_GE(rows + replies - dropped, length);
  EXPECT_LE(rows + replies - dropped, length + 21);
  EXPECT_EQ(dropped > 0, changes) << dropped << " tokens were dropped";
}

TEST(Chat, TwentyTurnsReadNothingTwice) {
  talk(test::BuiltModel(chat_model(false, kChatMl)).model, false);
  talk(test::BuiltModel(chat_model(true, kLlama2)).model, false);
}

TEST(Chat, SaysWhatTheTemplateChanged) { talk(test::BuiltModel(chat_model(false, kForgetful)).model, true); }

TEST(Chat, ReadsTheSameAsAFreshSession) {
  const test::BuiltModel built(chat_model(false, kChatMl));
  Chat chat(built.model, options(built.model));
  chat.add("system", "here");
  for (const char* said : {"the", "here there", "re"}) {
    chat.add("user", said);
    chat.reply();
  }
  // What the session holds spells the conversation.
  const std::string text = built.model.tokenizer().decode(chat.session().tokens());
  EXPECT_EQ(chat.render(false).find(text), 0u) << text;
  // Greedy replies are those of a session that reads everything anew.
  Chat greedy(built.model, options(built.model)), fresh(built.model, options(built.model));
  greedy.options().generate.sampling.temperature = fresh.options().generate.sampling.temperature = 0;
  greedy.add("user", "the");
  greedy.reply();
  greedy.add("user", "there");
  fresh.messages() = greedy.messages();
  EXPECT_EQ(greedy.reply().answer, fresh.reply().answer);
}

TEST(Chat, EndsWhereTheTemplateEndsAReply) {
  test::GgufBuilder file = chat_model(false, kChatMl);
  const test::BuiltModel built(file);
  const Token end = built.model.tokenizer().find("<|im_end|>");
  ChatOptions chosen = options(built.model);
  chosen.generate.sampling.logit_bias = {{end, 1000.0f}};
  Chat chat(built.model, chosen);
  chat.add("user", "the");
  const ChatReply reply = chat.reply();
  EXPECT_EQ(reply.stop, StopReason::end_token);
  EXPECT_EQ(reply.new_tokens, 0);
  EXPECT_EQ(reply.answer, "");
  EXPECT_EQ(chat.session().tokens().back(), chat.tokens(false).end()[-3]) << "the end token is not read yet";
}

TEST(Chat, StopTextsStayOutOfTheAnswer) {
  const test::BuiltModel built(chat_model(false, kChatMl));
  const auto ask = [&](std::vector<std::string> stop, std::string& shown) {
    ChatOptions chosen = options(built.model);
    chosen.generate.stop = std::move(stop);
    Chat chat(built.model, chosen);
    chat.add("user", "the");
    const ChatReply reply = chat.reply([&](ReplyPart, std::string_view text) {
      shown += text;
      return true;
    });
    EXPECT_EQ(chat.messages().back().dict().get("content")->string(), reply.answer);
    EXPECT_EQ(shown, reply.answer);
    chat.add("user", "there");
    EXPECT_NO_THROW(chat.reply());
    return reply;
  };
  std::string whole;
  EXPECT_EQ(ask({}, whole).stop, StopReason::max_tokens);
  ASSERT_GT(whole.size(), 8u);
  // A text that ends within the reply, and one that only begins at its end.
  const std::string inside = whole.substr(3, 4), before = whole.substr(0, whole.find(inside));
  std::string shown;
  const ChatReply cut = ask({whole.back() + std::string("!"), inside}, shown);
  EXPECT_EQ(cut.stop, StopReason::stop_text);
  EXPECT_EQ(shown, before);
  EXPECT_LT(cut.new_tokens, 12);
  shown.clear();
  EXPECT_EQ(ask({whole.back() + std::string("!")}, shown).stop, StopReason::max_tokens);
  EXPECT_EQ(shown, whole) << "what was held back is shown at the end";
}

TEST(Chat, TheSinkEndsAReply) {
  const test::BuiltModel built(chat_model(false, kChatMl));
  Chat chat(built.model, options(built.model));
  chat.add("user", "the");
  int pieces = 0;
  const ChatReply reply = chat.reply([&](ReplyPart part, std::string_view) {
    EXPECT_EQ(part, ReplyPart::answer);
    return ++pieces < 3;
  });
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(reply.stop, StopReason::none);
  EXPECT_EQ(chat.messages().back().dict().get("content")->string(), reply.answer);
}

TEST(Chat, RefusesWhatItCannotDo) {
  const test::BuiltModel bare(chat_model(false, ""));
  EXPECT_NE(test::expect_error(ErrorCode::missing_key, [&] { Chat(bare.model, options(bare.model)); })
                .find("no chat template"),
            std::string::npos);
  ChatOptions plain = options(bare.model);
  plain.templates = plain_chat_template(bare.model);
  Chat chat(bare.model, plain);
  chat.add("user", "the there");
  EXPECT_EQ(chat.render(), "the there");
  chat.add("user", std::string(3000, 'x'));
  const std::string message = test::expect_error(ErrorCode::context_overflow, [&] { chat.reply(); });
  EXPECT_NE(message.find("more than the context of 2048"), std::string::npos) << message;
  EXPECT_EQ(chat.messages().size(), 2u);
  test::expect_error(ErrorCode::bad_value, [&] {
    ChatOptions bad = options(bare.model);
    bad.templates.templates.push_back({"default", "{% if %}"});
    Chat(bare.model, bad);
  });
}

}  // namespace
}  // namespace plumb::chat_test
