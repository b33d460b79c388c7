/// compare: plumb and other engines on the same file, in turn, and the ratio of their speeds.
///
///   compare --plumb build/release/plumb -m model.gguf --peer NAME=/path/to/llama-bench[:FLAGS] ... -p 512 -n 128
///
/// Every test is a process of its own, one repetition after a warm-up. A round runs each contender once, A B C A B C,
/// so that what slows the machine for a while slows all; the numbers are medians over rounds. A peer that is named
/// several times, with other flags, is shown with the flags that serve it best in each test.

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using nlohmann::json;

/// What one process did.
struct Run {
  std::string out;
  double seconds = 0;       // from start to exit
  double resident_mib = 0;  // largest resident set of it or a child
};

/// Runs a shell command and collects its standard output; standard error is dropped. @throws std::runtime_error.
Run run(const std::string& command) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw std::runtime_error("cannot make a pipe");
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("cannot start a process");
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execl("/bin/sh", "sh", "-c", ("exec 2>/dev/null; " + command).c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  Run result;
  std::array<char, 4096> piece;
  for (ssize_t n = 0; (n = ::read(ends[0], piece.data(), piece.size())) > 0;)
    result.out.append(piece.data(), static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  rusage use{};
  ::wait4(child, &status, 0, &use);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.resident_mib = static_cast<double>(use.ru_maxrss) / 1024;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("failed: " + command);
  return result;
}

struct Test {
  int prompt = 0, generate = 0, depth = 0;
  std::string name() const {
    return (prompt > 0 ? "pp" + std::to_string(prompt) : "tg" + std::to_string(generate)) +
           (depth > 0 ? " @ d" + std::to_string(depth) : "");
  }
};

/// How a program takes a depth.
enum class Dialect {
  plumb,
  llama,          ///< -d
  prompt_before,  ///< no -d; -gp DEPTH,GEN times only the generation (ik_llama.cpp)
};

struct Contender {
  std::string name, program, flags;
  Dialect dialect = Dialect::plumb;
  std::string label() const { return flags.empty() ? name : name + " " + flags; }
};

struct Options {
  std::string plumb, model, prefix, plumb_flags;
  std::vector<std::string> peers;
  std::vector<int> prompts = {512}, generated = {128}, depths = {0};
  int threads = 2, rounds = 3;
  bool start = false, samples = false;
};

std::string shell_word(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// NAME=PATH[:FLAGS], and the dialect that the program's --help tells.
Contender parse_peer(const std::string& text) {
  const std::size_t equals = text.find('='), colon = text.find(':', equals);
  if (equals == std::string::npos) throw std::runtime_error("--peer " + text + ": expected NAME=PATH[:FLAGS]");
  Contender peer{text.substr(0, equals), text.substr(equals + 1, colon - equals - 1),
                 colon == std::string::npos ? "" : text.substr(colon + 1), Dialect::llama};
  const std::string help = run(shell_word(peer.program) + " --help 2>&1 || true").out;
  if (help.find("--n-depth") == std::string::npos) peer.dialect = Dialect::prompt_before;
  return peer;
}

class Comparison {
 public:
  explicit Comparison(const Options& options) : options_(options) {
    contenders_.push_back({"plumb", options.plumb, options.plumb_flags, Dialect::plumb});
    for (const std::string& peer : options.peers) contenders_.push_back(parse_peer(peer));
  }

  void run_all() {
    for (const Test& test : tests())
      for (int round = 0; round < options_.rounds; ++round)
        for (const Contender& contender : contenders_)
          record(test.name(), contender, [&] { return rate(contender, test); });
    for (int round = 0; options_.start && round < options_.rounds; ++round)
      for (const Contender& contender : contenders_) {
        Run first;
        const auto start = [&] {
          first = run(options_.prefix + " " + command(contender, {1, 0, 0}, "1", false));
          return first.seconds;
        };
        if (record("start to first token, s", contender, start))
          record("resident, MiB", contender, [&] { return first.resident_mib; });
      }
  }

  void print() const {
    std::vector<std::string> names;  // peers, in the order in which they were named
    for (const Contender& c : contenders_)
      if (std::find(names.begin(), names.end(), c.name) == names.end()) names.push_back(c.name);
    std::string head = "| test |", rule = "| --- |";
    for (const std::string& name : names) {
      head += " " + name + " |";
      rule += " ---: |";
    }
    fmt::print("{} plumb / best peer |\n{} ---: |\n", head, rule);
    for (const std::string& test : order_) print_row(test, names);
    if (!options_.samples) return;
    fmt::print("\n");
    for (const std::string& test : order_)
      for (const auto& [label, values] : samples_.at(test)) {
        fmt::print("{}, {}:", test, label);
        for (const double value : values) fmt::print(" {:.4g}", value);
        fmt::print("\n");
      }
  }

 private:
  using Samples = std::map<std::string, std::vector<double>>;  // by contender, with flags

  std::vector<Test> tests() const {
    std::vector<Test> tests;
    for (const int depth : options_.depths) {
      for (const int prompt : options_.prompts)
        if (prompt > 0) tests.push_back({prompt, 0, depth});
      for (const int generate : options_.generated)
        if (generate > 0) tests.push_back({0, generate, depth});
    }
    return tests;
  }

  std::string command(const Contender& c, const Test& test, const std::string& repetitions, bool warmup) const {
    std::string line = shell_word(c.program) + (c.dialect == Dialect::plumb ? " bench" : "") + " -m " +
                       shell_word(options_.model) + " -t " + std::to_string(options_.threads) + " -r " + repetitions +
                       " -o json " + c.flags;
    if (!warmup) line += c.dialect == Dialect::prompt_before ? " -w 0" : " --no-warmup";
    if (c.dialect == Dialect::prompt_before && test.depth > 0) {
      // Reading a prompt at a depth: the difference of two longer prompts, after a short one that warms up.
      const std::string depth = std::to_string(test.depth);
      if (test.prompt == 0) return line + " -p 0 -n 0 -gp " + depth + "," + std::to_string(test.generate);
      return line + " -n 0 -w 0 -p 32," + depth + "," + std::to_string(test.depth + test.prompt);
    }
    line += " -p " + std::to_string(test.prompt) + " -n " + std::to_string(test.generate);
    return test.depth > 0 ? line + " -d " + std::to_string(test.depth) : line;
  }

  /// Tokens per second of one run.
  double rate(const Contender& contender, const Test& test) const {
    const std::string line = options_.prefix + " " + command(contender, test, "1", true);
    const std::string out = run(line).out;
    const json results = json::parse(out.substr(std::min(out.find('['), out.size())), nullptr, false);
    if (!results.is_array() || results.empty()) throw std::runtime_error("no results from: " + line);
    if (contender.dialect != Dialect::prompt_before || test.depth == 0 || test.prompt == 0)
      return results.back().at("avg_ts").get<double>();
    std::map<int, double> seconds;
    for (const json& result : results)
      seconds[result.at("n_prompt").get<int>()] = result.at("avg_ns").get<double>() / 1e9;
    const double difference = seconds.at(test.depth + test.prompt) - seconds.at(test.depth);
    if (difference <= 0)
      throw std::runtime_error(fmt::format("{}: {} tokens took no longer than {}, run it again on a quieter machine",
                                           contender.label(), test.depth + test.prompt, test.depth));
    return test.prompt / difference;
  }

  /// Keeps a sample; false when there is none.
  template <class Measure>
  bool record(const std::string& test, const Contender& contender, const Measure& measure) {
    if (samples_.try_emplace(test).second) order_.push_back(test);
    double value = 0;
    try {
      value = measure();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "compare: %s\n", e.what());
      return false;
    }
    samples_[test][contender.label()].push_back(value);
    std::fprintf(stderr, "%s\n", fmt::format("{:<24} {:<28} {:.4g}", test, contender.label(), value).c_str());
    return true;
  }

  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  }

  /// Median of the best flags of a name: the largest rate, or the smallest of what should be small.
  std::optional<double> best(const std::string& test, const std::string& name, bool small) const {
    std::optional<double> best;
    for (const Contender& c : contenders_) {
      const auto found = samples_.at(test).find(c.label());
      if (c.name != name || found == samples_.at(test).end()) continue;
      const double value = median(found->second);
      if (!best || (small ? value < *best : value > *best)) best = value;
    }
    return best;
  }

  void print_row(const std::string& test, const std::vector<std::string>& names) const {
    const bool small = test.find(',') != std::string::npos;  // seconds and sizes
    std::optional<double> own, peer;
    std::string row = "| " + test + " |";
    for (const std::string& name : names) {
      const std::optional<double> value = best(test, name, small);
      row += value ? fmt::format(" {:.4g} |", *value) : " – |";
      if (name == "plumb")
        own = value;
      else if (value && (!peer || (small ? *value < *peer : *value > *peer)))
        peer = value;
    }
    fmt::print("{} {} |\n", row, own && peer ? fmt::format("{:.2f}", *own / *peer) : "–");
  }

  Options options_;
  std::vector<Contender> contenders_;
  std::vector<std::string> order_;          // tests, as they came
  std::map<std::string, Samples> samples_;  // by test
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Runs plumb and other engines on the same file in turn and prints the ratio of their speeds"};
  app.add_option("--plumb", options.plumb, "The plumb command")->required();
  app.add_option("--plumb-flags", options.plumb_flags, "More flags for plumb bench");
  app.add_option("-m,--model", options.model, "The GGUF file")->required();
  app.add_option("--peer", options.peers, "NAME=PATH[:FLAGS] of a llama-bench; the best of equal names counts");
  app.add_option("-p", options.prompts, "Prompt lengths (default 512; 0: none)")->delimiter(',');
  app.add_option("-n", options.generated, "Tokens to generate (default 128; 0: none)")->delimiter(',');
  app.add_option("-d", options.depths, "Tokens in the cache before (default 0)")->delimiter(',');
  app.add_option("-t", options.threads, "Threads (default 2)");
  app.add_option("-r,--rounds", options.rounds, "Rounds (default 3)");
  app.add_option("--prefix", options.prefix, "Put in front of each command: taskset, numactl, flock");
  app.add_flag("--start", options.start, "Also time from start to first token, and the resident memory");
  app.add_flag("--samples", options.samples, "Print every sample, too");
  CLI11_PARSE(app, argc, argv);
  try {
    Comparison comparison(options);
    comparison.run_all();
    comparison.print();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "compare: %s\n", e.what());
    return 1;
  }
  return 0;
}
