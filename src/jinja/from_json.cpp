#include <nlohmann/json.hpp>
#include <utility>

#include "heap.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/jinja/json.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

/// Builds values while the parser reads; its recursion is on the heap, and ends at kMaxValueDepth.
class ValueBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add({}); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(Value::integer(std::to_string(value))); }
  bool number_float(double value, const std::string& text) override {
    const bool whole = text.find_first_of(".eE") == std::string::npos;  // beyond 64 bits
    return add(whole ? Value::integer(text) : Value(value));
  }
  bool string(std::string& value) override { return add(Value(value)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool key(std::string& name) override {
    open_.back().key = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& e) override {
    std::string why = e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (const std::size_t end = why.find("] "); end != std::string::npos) why.erase(0, end + 2);
    problem = "byte " + std::to_string(position) + ": " + printable(why);
    return false;
  }

  Value root;
  std::string problem;

 private:
  struct Container {
    bool object;
    std::string key;
    std::vector<Value> items;
    Dict dict;
  };

  bool open(bool object) {
    if (open_.size() >= static_cast<std::size_t>(kMaxValueDepth)) {
      problem = "nested deeper than " + std::to_string(kMaxValueDepth);
      return false;
    }
    open_.push_back({object, {}, {}, {}});
    return true;
  }

  bool close() {
    Container done = std::move(open_.back());
    open_.pop_back();
    return add(done.object ? Value(std::move(done.dict)) : Value::list(std::move(done.items)));
  }

  bool add(Value value) {
    if (open_.empty())
      root = std::move(value);
    else if (open_.back().object)
      open_.back().dict.set(Value(open_.back().key), std::move(value));
    else
      open_.back().items.push_back(std::move(value));
    return true;
  }

  std::vector<Container> open_;
};

}  // namespace

Value value_from_json(std::string_view text, std::string_view where) {
  ValueBuilder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
    throw Error(ErrorCode::bad_value, std::string(where) + ": no JSON: " + builder.problem);
  return std::move(builder.root);
}

}  // namespace plumb
