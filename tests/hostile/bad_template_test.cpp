/// Templates from strangers: the recorded hostile ones and some more, watched by the meter of allocations.

#include <gtest/gtest.h>

#include <string>

#include "plumb/jinja/json.hpp"
#include "plumb/jinja/template.hpp"
#include "tests/support/allocation_meter.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::bad_template_test {
namespace {

using jinja::Dict;
using jinja::Value;

constexpr std::size_t kMostMemory = std::size_t{64} << 20;

/// Renders, or not: what counts is that it ends, with an Error at worst and within the memory.
void survive(const std::string& source, const Dict& variables, const std::string& name) {
  const test::AllocationMeter meter;
  try {
    jinja::Template(source, name).render(variables, {.now = jinja::LocalTime{2026, 1, 15, 9, 5, 7}});
  } catch (const Error&) {
  }
  EXPECT_LE(meter.peak(), kMostMemory) << name;
}

TEST(BadTemplate, RecordedOnesStayWithinTheirMemory) {
  PLUMB_REQUIRE_FIXTURES();
  const auto folder = test::fixtures_dir() / "chat";
  const Value variables = jinja::value_from_json(test::read_file(folder / "features.vars.json"), "variables");
  std::ifstream in(folder / "hostile.jsonl");
  for (std::string line; std::getline(in, line);) {
    const Value c = jinja::value_from_json(line, "case");
    survive(c.dict().get("template")->string(), variables.dict(), c.dict().get("id")->string());
  }
}

TEST(BadTemplate, WhatGrowsIsBounded) {
  for (const char* source : {
           "{{ '\\x01' * 8000000 }}{{ ['\\x01' * 8000000] }}",
           "{{ ('\\U0001F600' * 1000000)|tojson(ensure_ascii=true) }}",
           "{% for i in range(99999) %}{{ 'a' * 100000 }}{% endfor %}",
           "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.l = namespace(a=ns.l) %}{% endfor %}",
           "{% for i in range(99999) %}{% macro m() %}{% endmacro %}{% set k = 'a' * 9999 %}{% endfor %}",
           "{{ ('a,' * 4000000).split(',')|length }}",
           "{{ ('a' * 8000000)|list|length }}",
           "{{ ('ab' * 4000000)|batch(1)|list|length }}",
           "{{ (range(100000)|list * 100)|sort|length }}",
           "{{ dict(range(100000)|map('string')|batch(2))|length }}",
           "{{ ('a' * 8000000)|indent(100)|upper|lower|title }}",
           "{{ ('\\n' * 4000000)|indent(100, true, true) }}",
           "{{ ('\\t' * 1000000).expandtabs(1000) }}",
           "{{ '{:1000000}'.format(1) * 100 }}",
           "{{ '%s' * 1000000 % (('a',) * 1000000) }}",
           "{{ ('<' * 8000000)|e|e|e }}",
           "{{ ('&' * 4000000)|urlencode }}",
           "{{ [[[[[1] * 100] * 100] * 100] * 100]|tojson(indent=8) }}",
           "{{ ('a' * 4000000).replace('', 'b') }}",
           "{{ ('a' * 4000000).partition('a') }}{{ ('a ' * 4000000).rsplit()|length }}",
       })
    survive(source, {}, source);
}

TEST(BadTemplate, CutAndChangedAtEveryByte) {
  const std::string whole =
      "{%- macro f(a, b=[1, 'x'], *c) %}{% endmacro %}{% for k, v in {'a': 1}.items() if v is not none recursive -%}\n"
      "{{ loop.index ~ k[::-1]|replace('a', \"\\u00e9\") }}{% if not v == 1.5e3 and v in [1] %}{# c #}{% elif v %}"
      "{% set ns.x = f(1, b=2) | upper %}{% else %}{% raw %}{{ x }}{% endraw %}{% endif %}{%+ endfor %}"
      "{% call(x) f(1) %}{{ x.y['z'] }}{% endcall %}{% set t %}a{% endset %}{% with a = 1 %}{{ a }}{% endwith %}";
  for (std::size_t i = 0; i <= whole.size(); ++i) {
    survive(whole.substr(0, i), {}, "cut at " + std::to_string(i));
    survive(whole.substr(i), {}, "from " + std::to_string(i));
    for (const char c : {'{', '}', '%', '#', '\'', '(', ']', '\n', '\0', '\xFF', '-', '|', '0'}) {
      std::string changed = whole;
      if (i < changed.size()) changed[i] = c;
      survive(changed, {}, "changed at " + std::to_string(i));
    }
  }
}

TEST(BadTemplate, JsonCutAndChangedAtEveryByte) {
  const std::string whole = "{\"a\": [1, -2.5e3, true, null, \"\\ud83d\\ude00\\n\"], \"b\": {\"c\": [[[{}]]]}}";
  for (std::size_t i = 0; i <= whole.size(); ++i) {
    for (const char c : {'{', '[', '"', '\\', ',', ':', '\0', '\xFF', '9', 'u'}) {
      std::string changed = whole;
      if (i < changed.size()) changed[i] = c;
      for (const std::string& text : {changed, whole.substr(0, i)}) {
        try {
          jinja::value_from_json(text, "json");
        } catch (const Error&) {
        }
      }
    }
  }
  const test::AllocationMeter meter;
  EXPECT_THROW(jinja::value_from_json(std::string(1 << 20, '['), "deep"), Error);
  EXPECT_THROW(jinja::value_from_json(std::string(1 << 20, '1'), "long"), Error);
  EXPECT_LE(meter.peak(), kMostMemory);
}

}  // namespace
}  // namespace plumb::bad_template_test
