#pragma once
/// The command line's own view of its arguments. CLI11 parses them; it is a header of ten thousand lines whose code
/// every file that includes it compiles again, so only arguments.cpp does.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace plumb::cli {

/// Arguments that parse and yet make no sense together. Thrown by what a command runs; ends the program with the
/// message and exit code 2, as the parser's own errors do.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// How Option::one_of compares and what --help says of it.
struct Choice {
  bool ignore_case = false;
  bool in_help = true;  ///< --help lists the choices
};

/// An argument of a command; a handle that may be copied. Every function returns the option, so that calls chain.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required() const;
  /// Shows the value that the variable has now as the default.
  Option show_default() const;
  /// What --help calls the value: "FILE".
  Option type_name(const std::string& name) const;
  /// The heading in --help.
  Option group(const std::string& name) const;

  /// Not both may be given.
  Option excludes(Option other) const;
  Option excludes(const std::string& name) const;
  /// Only together with `other`.
  Option needs(Option other) const;

  /// Values in [low, high].
  Option range(int low, int high) const;
  Option positive() const;
  Option not_negative() const;
  Option one_of(const std::vector<std::string>& values, Choice choice = {}) const;
  /// `problem` says what is wrong with a value; an empty string if nothing is.
  Option check(std::function<std::string(const std::string&)> problem) const;

  /// The value may be left out; it is then "true".
  Option optional_value() const;
  /// Of a list: "1,2,4" is three values.
  Option comma_separated() const;
  /// Of a list: the option may be given again, and up to `count` words belong to it.
  Option repeatable(int count) const;

 private:
  CLI::Option* option_;
};

/// A command, or the program that holds them; a handle that may be copied.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  /// An option (`names` such as "-t,--threads") or, without dashes, a positional argument, stored in `value`, which
  /// must outlive the parse. T: int, int64_t, uint64_t, float, double, string, an optional string or double, or a
  /// vector of int, int64_t or string. Numbers are decimal, finite, and within what T holds, or refused.
  template <typename T>
  Option add_option(const std::string& names, T& value, const std::string& help) const;
  /// A number of tokens, positions or rows within [low, high]: "4096", "8k". T: int or int64_t.
  template <typename T>
  Option add_count(const std::string& names, T& value, std::int64_t low, std::int64_t high,
                   const std::string& help) const;
  /// The same, given to a function.
  Option add_option_function(const std::string& names, std::function<void(const std::string&)> set,
                             const std::string& help) const;
  /// True if given; with names such as "!--no-this", false if given.
  Option add_flag(const std::string& names, bool& value, const std::string& help) const;

  /// Calls `set` if given. Options are called in the order in which they were added.
  Option add_flag_function(const std::string& names, std::function<void()> set, const std::string& help) const;

  /// A subcommand.
  Command add_command(const std::string& name, const std::string& help) const;
  /// What the command does once its arguments are parsed. May throw UsageError.
  void callback(std::function<void()> run) const;

 private:
  CLI::App* app_;
};

/// The command line as a whole.
class Program {
 public:
  /// `version`: what --version prints.
  Program(const std::string& name, const std::string& help, std::function<std::string()> version);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// What commands are added to.
  Command root() const { return Command(app_.get()); }
  /// Parses and runs one command. Returns the exit code: 0 done, 2 usage (told on stderr). What the command throws,
  /// but for UsageError, passes through.
  int run(const std::vector<std::string>& arguments) const;

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace plumb::cli
