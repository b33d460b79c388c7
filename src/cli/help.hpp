#pragma once
/// How --help looks: what an option takes, what it does and its default, without the parser's own notation.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <string>

namespace plumb::cli {

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(34);
    label("Positionals", "Arguments");
  }

  /// Arguments in capitals; options without the values that flags stand for.
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = option->get_name(positional, !positional);
    if (positional)
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    for (std::size_t open; (open = name.find('{')) != std::string::npos;)
      name.erase(open, name.find('}', open) - open + 1);
    return name;
  }

  /// " N", " {f32,f16}": what stands behind the option.
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0 || !option->nonpositional()) return "";
    const std::string type = option->get_type_name();  // "INT:INT in [1 - 9]", "TEXT:{f32,f16}", "FORMAT"
    if (const std::size_t set = type.find(":{"); set != std::string::npos) return ' ' + type.substr(set + 1);
    const std::string name = type.substr(0, type.find(':'));
    return name == "INT" || name == "UINT" ? " N" : name == "FLOAT" ? " X" : ' ' + name;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    if (option->get_required() && option->nonpositional()) text += " (required)";
    std::string value = option->get_default_str();
    if (value.size() > 2 && value.front() == '[') value = value.substr(1, value.size() - 2);  // a list
    return value.empty() ? text : text + " (default " + value + ")";
  }
};

}  // namespace plumb::cli
