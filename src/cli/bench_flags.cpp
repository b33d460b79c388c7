#include "bench_flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "options.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/core/quantity.hpp"

namespace plumb::cli {
namespace {

constexpr std::size_t kMostNumbers = 1000;

/// One flag of llama-bench that does nothing here.
struct Foreign {
  const char* names;      ///< as users type them; the option parser's with one dash more
  const char* why;        ///< what is so whatever the flag says
  const char* same = "";  ///< values that mean what is done; empty: any
};

constexpr Foreign kForeign[] = {
    {"-ngl,--n-gpu-layers", "there is no GPU: all layers run on the processor"},
    {"-ncmoe,--n-cpu-moe", "there is no GPU: all experts run on the processor"},
    {"-sm,--split-mode", "there is no GPU to split a model over"},
    {"-mg,--main-gpu", "there is no GPU"},
    {"-ts,--tensor-split", "there is no GPU to split tensors over"},
    {"-nkvo,--no-kv-offload", "keys and values are in memory"},
    {"-nopo,--no-op-offload", "there is no GPU to take operations over"},
    {"-ot,--override-tensor", "all tensors are in memory"},
    {"--no-host", "all buffers are in memory"},
    {"-fitt,--fit-target", "there is no memory of a device to fit a model into"},
    {"-fitc,--fit-ctx", "there is no memory of a device to fit a model into"},
    {"-fa,--flash-attn", "attention never stores its scores, whatever is said"},
    {"-mmp,--mmap", "weights are mapped, and copied into the kernels' order at load; see --no-repack"},
    {"-dio,--direct-io", "weights are mapped, and copied into the kernels' order at load; see --no-repack"},
    {"-lm,--load-mode", "weights are mapped, and copied into the kernels' order at load; see --no-repack"},
    {"--numa", "memory is where the system puts it; numactl binds it"},
    {"--prio", "processes keep their priority; nice and chrt change it"},
    {"--poll", "threads wait in a loop of their own"},
    {"--cpu-strict", "OMP_PROC_BIND=true binds threads to processors"},
    {"-embd,--embeddings", "embedding models make embeddings, others logits", "0,false,off"},
    {"-C,--cpu-mask", "no mask is applied; taskset has one", "0x0,0"},
    {"-dev,--device", "the processor is the only device", "auto,none,cpu"},
    {"-rpc", "nothing runs on other machines", "none"},
    {"-hf,-hfr,--hf-repo", "nothing is downloaded; name a file or a folder with -m", "none"},
    {"-hff,--hf-file", "nothing is downloaded; name a file or a folder with -m", "none"},
    {"-hft,--hf-token", "nothing is downloaded, so no token is needed"},
};

/// The names of a flag one by one.
std::vector<std::string> names_of(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    names.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names;
}

/// "-pg" is no option to the parser, "--pg" is; "-C" and "--poll" stay.
std::string parsed_name(const std::string& name) {
  return name.size() > 2 && name[0] == '-' && name[1] != '-' ? "-" + name : name;
}

/// Flags with a meaning here whose name has one dash and several letters.
constexpr std::array kOwnShort = {"-pg", "-ub", "-ctk", "-ctv", "-oe"};

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

[[noreturn]] void refuse(std::string_view name, std::string_view text) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} is {}, expected numbers such as 512, 8k (k: 1024), 1,2,4, 32-128*2 or 64-256+64", name,
                          quote(text)));
}

int number(std::string_view text, std::string_view name, std::string_view whole) {
  if (text.empty() || text[0] < '0' || text[0] > '9') refuse(name, whole);
  const std::int64_t value = parse_tokens(text, name);
  if (value > kMostTokens)
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: {} is beyond {}", name, value, kMostTokens));
  return static_cast<int>(value);
}

/// FIRST, FIRST-LAST, FIRST-LAST+STEP or FIRST-LAST*FACTOR.
void add_range(std::vector<int>& numbers, std::string_view range, std::string_view name) {
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) return numbers.push_back(number(range, name, range));
  const std::size_t sign = range.find_first_of("+*", dash);
  const bool times = sign != std::string_view::npos && range[sign] == '*';
  const int first = number(range.substr(0, dash), name, range);
  const int last = number(range.substr(dash + 1, sign == std::string_view::npos ? sign : sign - dash - 1), name, range);
  const int step = sign == std::string_view::npos ? 1 : number(range.substr(sign + 1), name, range);
  if (last < first) refuse(name, range);
  if (times ? step < 2 || first == 0 : step < 1)
    throw Error(ErrorCode::invalid_argument, fmt::format("{} is {}, which never ends", name, quote(range)));
  for (std::int64_t value = first; value <= last; value = times ? value * step : value + step) {
    numbers.push_back(static_cast<int>(value));
    if (numbers.size() > kMostNumbers)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} is {}: more than {} numbers", name, quote(range), kMostNumbers));
  }
}

}  // namespace

std::vector<int> parse_numbers(std::string_view text, std::string_view name) {
  if (text.empty() || text.back() == ',') refuse(name, text);
  std::vector<int> numbers;
  for (const std::string& range : names_of(text)) add_range(numbers, range, name);
  return numbers;
}

std::vector<int> all_numbers(const std::vector<std::string>& lists, std::vector<int> otherwise) {
  if (lists.empty()) return otherwise;
  std::vector<int> all;
  for (const std::string& list : lists) {
    const std::vector<int> numbers = parse_numbers(list, "the list");
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  return all;
}

void ForeignFlags::add(const Command& command) {
  values_.resize(std::size(kForeign));
  for (std::size_t i = 0; i < std::size(kForeign); ++i) {
    std::string names;
    for (const std::string& name : names_of(kForeign[i].names)) names += (names.empty() ? "" : ",") + parsed_name(name);
    const std::string typed = names_of(kForeign[i].names).front();  // the parser's name has a dash more
    command.add_option(names, values_[i], typed + ": " + kForeign[i].why)
        .repeatable(1)
        .type_name("X")
        .group("Without effect here");
  }
  command.add_flag("--offline", offline_, "nothing is downloaded").group("Without effect here");
  command.add_flag("-v,--verbose", verbose_, "there is no more to say").group("Without effect here");
}

std::vector<std::string> ForeignFlags::notes() const {
  std::vector<std::string> notes;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Foreign& flag = kForeign[i];
    if (values_[i].empty()) continue;
    const std::string name = names_of(flag.names).front();
    for (const std::string& list : values_[i])
      for (const std::string& value : names_of(list)) {
        const std::vector<std::string> same = names_of(flag.same);
        if (!same.empty() && std::find(same.begin(), same.end(), lower(value)) == same.end())
          throw UsageError(fmt::format("{} {}: {}", name, printable(value), flag.why));
      }
    notes.push_back(fmt::format("{} is ignored: {}", name, flag.why));
  }
  return notes;
}

std::vector<std::string> bench_arguments(std::vector<std::string> arguments) {
  std::vector<std::string> short_names(kOwnShort.begin(), kOwnShort.end());
  for (const Foreign& flag : kForeign)
    for (const std::string& name : names_of(flag.names))
      if (parsed_name(name) != name) short_names.push_back(name);
  for (std::string& argument : arguments) {
    if (std::find(short_names.begin(), short_names.end(), argument) != short_names.end()) argument.insert(0, "-");
    if (argument.starts_with("--"))
      std::replace(argument.begin(),
                   argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size())), '_',
                   '-');
  }
  return arguments;
}

}  // namespace plumb::cli
