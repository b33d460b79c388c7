/// plumb chat through a pipe: replies, commands, and what it says of models without a template.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::chat_command_test {
namespace {

using test::CommandResult;
using test::TempDir;

class ChatCommand : public testing::Test {
 protected:
  TempDir dir;
  std::string model = [this] {
    test::GgufBuilder file = test::tiny_llama();
    file.set_string("tokenizer.chat_template",
                    "{{ bos_token }}{% for m in messages %}{{ m.role[0] }} {{ m.content }} {% endfor %}a ");
    return dir.file("m.gguf", file.bytes()).native();
  }();

  /// `plumb chat MODEL -n 4 --temp 0 MORE...` with this input.
  CommandResult chat(const std::string& input, const std::string& more = "", const std::string& of = "") {
    const std::string in = dir.file("in", input).native();
    std::string line = test::shell_word(std::string(PLUMB_BINARY_DIR) + "/plumb") + " chat " +
                       test::shell_word(of.empty() ? model : of) + " -n 4 --temp 0 " + more + " <" + in + " >" +
                       (dir / "out").native() + " 2>" + (dir / "err").native();
    const int status = std::system(line.c_str());
    const auto contents = [](const std::filesystem::path& path) {
      std::ifstream file(path, std::ios::binary);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(dir / "out"), contents(dir / "err")};
  }
};

TEST_F(ChatCommand, RepliesToEachLine) {
  const CommandResult one = chat("the\n"), two = chat("the\nthere\n");
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_FALSE(one.out.empty());
  EXPECT_TRUE(two.out.starts_with(one.out)) << two.out;
  EXPECT_GT(two.out.size(), one.out.size());
  EXPECT_EQ(chat("the\n").out, one.out) << "the same answer each time";
  EXPECT_EQ(chat("the\n/quit\nthere\n").out, one.out);
  EXPECT_EQ(chat("").out, "");
}

TEST_F(ChatCommand, EndsBeforeAStopText) {
  const std::string whole = chat("the\n").out, stop = whole.substr(1, 1);
  std::string cut = chat("the\n", "--stop " + test::shell_word(stop)).out;
  if (cut.ends_with('\n')) cut.pop_back();
  EXPECT_EQ(cut, whole.substr(0, whole.find(stop)));
}

TEST_F(ChatCommand, MessagesOfSeveralLines) {
  EXPECT_EQ(chat("a\\\nb\n").out, chat("\"\"\"a\nb\"\"\"\n").out);
  EXPECT_NE(chat("a\\\nb\n/save " + (dir / "s.json").native() + "\n").err.find("2 messages in"), std::string::npos);
}

TEST_F(ChatCommand, SavesAndLoads) {
  const std::string file = (dir / "saved.json").native();
  chat("the\n/save " + file + "\n", "--system here");
  const CommandResult loaded = chat("/load " + file + "\n/system\n/regen\nthere\n/stats\n");
  EXPECT_EQ(loaded.exit_code, 0) << loaded.err;
  EXPECT_NE(loaded.err.find("3 messages from"), std::string::npos) << loaded.err;
  EXPECT_NE(loaded.err.find("system message: here"), std::string::npos) << loaded.err;
  EXPECT_NE(loaded.err.find(" kept, "), std::string::npos) << loaded.err;
  EXPECT_NE(loaded.err.find("weights "), std::string::npos) << loaded.err;
}

TEST_F(ChatCommand, OtherTemplatesAndNone) {
  const std::string other = dir.file("t.jinja", "{{ raise_exception('no ' ~ messages[0].content) }}").native();
  const CommandResult refused = chat("the\n", "--template " + other);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("t.jinja, line 1: no the"), std::string::npos) << refused.err;
  const CommandResult plain = chat("the\n", "", dir.file("base.gguf", test::tiny_llama().bytes()).native());
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_NE(plain.err.find("has no chat template: it continues what you type"), std::string::npos) << plain.err;
  EXPECT_EQ(chat("the\n", "--template-name rag").exit_code, 1);
  EXPECT_NE(chat("/nonsense\n").err.find("there is no command /nonsense"), std::string::npos);
}

}  // namespace
}  // namespace plumb::chat_command_test
