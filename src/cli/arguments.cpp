#include "arguments.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>

#include "help.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/core/quantity.hpp"

namespace plumb::cli {
namespace {

/// Reads a number, all of it; a '+' may stand in front.
template <typename T>
bool read_number(std::string_view text, T& value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && !text.empty();
}

/// What is wrong with the number of an option. The parser by itself takes an empty text for 0, 010 for 8 and what is
/// out of range for the nearest number; it is given what it reads as everybody does.
template <typename T>
std::string take_number(std::string& text) {
  T value{};
  if constexpr (std::is_integral_v<T>) {
    if (!read_number(text, value))
      return fmt::format("expected a whole number from {} to {}, not {}", std::numeric_limits<T>::min(),
                         std::numeric_limits<T>::max(), quote(text));
    text = std::to_string(value);
  } else if (!read_number(text, value) || !std::isfinite(value)) {
    return "expected a number, not " + quote(text);
  }
  return {};
}

/// What is wrong with a number of tokens, which becomes plain digits.
std::string take_count(std::string& text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  if (!read_number(text, value)) {
    try {
      value = parse_tokens(text, "it");
    } catch (const Error&) {
      value = low - 1;
    }
  }
  if (value < low || value > high)
    return fmt::format("expected a whole number from {} to {}, such as {} or {}k (k: 1024), not {}", low, high,
                       std::max<std::int64_t>(low, 4096), std::max<std::int64_t>(low / 1024, 4), quote(text));
  text = std::to_string(value);
  return {};
}

/// The number behind an option's variable: of a list, its elements; void where there is none.
template <typename T>
struct NumberOf {
  using Type = std::conditional_t<std::is_arithmetic_v<T>, T, void>;
};
template <typename T>
struct NumberOf<std::vector<T>> : NumberOf<T> {};
template <typename T>
struct NumberOf<std::optional<T>> : NumberOf<T> {};

/// `holds` of a number; `expected` names such numbers.
template <typename Condition>
std::function<std::string(const std::string&)> number_check(const char* expected, Condition holds) {
  return [=](const std::string& text) {
    double value = 0;
    return read_number(text, value) && holds(value) ? std::string()
                                                    : "expected " + std::string(expected) + ", not " + quote(text);
  };
}

}  // namespace

Option Option::required() const { return Option(option_->required()); }
Option Option::show_default() const { return Option(option_->capture_default_str()); }
Option Option::type_name(const std::string& name) const { return Option(option_->type_name(name)); }
Option Option::group(const std::string& name) const { return Option(option_->group(name)); }

Option Option::excludes(Option other) const { return Option(option_->excludes(other.option_)); }
Option Option::excludes(const std::string& name) const { return Option(option_->excludes(name)); }
Option Option::needs(Option other) const { return Option(option_->needs(other.option_)); }

Option Option::range(int low, int high) const { return Option(option_->check(CLI::Range(low, high))); }
Option Option::positive() const {
  return check(number_check("a number above 0", [](double value) { return value > 0; }));
}
Option Option::not_negative() const {
  return check(number_check("0 or more", [](double value) { return value >= 0; }));
}
Option Option::one_of(const std::vector<std::string>& values, Choice choice) const {
  CLI::Validator member = choice.ignore_case ? CLI::IsMember(values, CLI::ignore_case) : CLI::IsMember(values);
  if (!choice.in_help) member.description("");
  return Option(option_->check(member));
}
Option Option::check(std::function<std::string(const std::string&)> problem) const {
  return Option(option_->check(std::move(problem)));
}

Option Option::optional_value() const { return Option(option_->expected(0, 1)->default_str("true")); }
Option Option::comma_separated() const { return Option(option_->delimiter(',')); }
Option Option::repeatable(int count) const { return Option(option_->expected(1, count)->take_all()); }

template <typename T>
Option Command::add_option(const std::string& names, T& value, const std::string& help) const {
  CLI::Option* const option = app_->add_option(names, value, help);
  using Number = typename NumberOf<T>::Type;
  if constexpr (!std::is_void_v<Number>) option->transform(CLI::Validator(take_number<Number>, ""));
  return Option(option);
}
template Option Command::add_option(const std::string&, int&, const std::string&) const;
template Option Command::add_option(const std::string&, std::int64_t&, const std::string&) const;
template Option Command::add_option(const std::string&, std::uint64_t&, const std::string&) const;
template Option Command::add_option(const std::string&, float&, const std::string&) const;
template Option Command::add_option(const std::string&, double&, const std::string&) const;
template Option Command::add_option(const std::string&, std::string&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::string>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<double>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<int>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<std::int64_t>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<std::string>&, const std::string&) const;

template <typename T>
Option Command::add_count(const std::string& names, T& value, std::int64_t low, std::int64_t high,
                          const std::string& help) const {
  CLI::Option* const option = app_->add_option(names, value, help);
  const auto take = [low, high](std::string& text) { return take_count(text, low, high); };
  option->transform(CLI::Validator(take, ""));
  return Option(option->type_name("N"));
}
template Option Command::add_count(const std::string&, int&, std::int64_t, std::int64_t, const std::string&) const;
template Option Command::add_count(const std::string&, std::int64_t&, std::int64_t, std::int64_t,
                                   const std::string&) const;

Option Command::add_option_function(const std::string& names, std::function<void(const std::string&)> set,
                                    const std::string& help) const {
  return Option(app_->add_option_function<std::string>(names, set, help));
}
Option Command::add_flag(const std::string& names, bool& value, const std::string& help) const {
  return Option(app_->add_flag(names, value, help));
}
Option Command::add_flag_function(const std::string& names, std::function<void()> set, const std::string& help) const {
  return Option(app_->add_flag_callback(names, std::move(set), help));
}

Command Command::add_command(const std::string& name, const std::string& help) const {
  return Command(app_->add_subcommand(name, help));
}
void Command::callback(std::function<void()> run) const {
  app_->callback([run = std::move(run)] {
    try {
      run();
    } catch (const UsageError& error) {
      throw CLI::ValidationError(error.what());
    }
  });
}

Program::Program(const std::string& name, const std::string& help, std::function<std::string()> version)
    : app_(std::make_unique<CLI::App>(help, name)) {
  app_->formatter(std::make_shared<HelpFormatter>());  // the commands inherit it
  app_->require_subcommand(1);
  app_->set_help_all_flag("--help-all", "Help of every command");
  app_->set_version_flag("--version", std::move(version),
                         "The version, the build and the kernels that this machine gets");
}
Program::~Program() = default;

int Program::run(const std::vector<std::string>& arguments) const {
  try {
    app_->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // taken from the back
  } catch (const CLI::CallForHelp& help) {
    // The parser takes -hf for -h and -f.
    const auto cluster = [](const std::string& word) { return word.size() > 2 && word[0] == '-' && word[1] == 'h'; };
    const auto asks = [](const std::string& word) { return word == "-h" || word == "--help"; };
    const auto wrong = std::find_if(arguments.begin(), arguments.end(), cluster);
    if (wrong == arguments.end() || std::any_of(arguments.begin(), arguments.end(), asks)) return app_->exit(help);
    return app_->exit(CLI::ExtrasError({*wrong})) == 0 ? 0 : 2;
  } catch (const CLI::ParseError& error) {
    return app_->exit(error) == 0 ? 0 : 2;
  }
  return 0;
}

}  // namespace plumb::cli
