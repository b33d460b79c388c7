/// The language beyond the recorded cases: what values and errors are, and what a render may not do.

#include <gtest/gtest.h>

#include "jinja_cases.hpp"
#include "tests/support/expect_error.hpp"

namespace plumb::template_test {
namespace {

using jinja::Fault;
using jinja::Template;
using test::Dict;
using test::render;
using test::Value;

struct Case {
  const char* source;
  const char* text;  ///< or the beginning of the error
};

void expect_texts(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    const test::Rendered got = render(c.source);
    EXPECT_FALSE(got.fault) << c.source << ": " << got.error;
    EXPECT_EQ(got.text, c.text) << c.source;
  }
}

void expect_faults(Fault fault, std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    const test::Rendered got = render(c.source);
    ASSERT_TRUE(got.fault) << c.source << " gave " << got.text;
    EXPECT_EQ(jinja::fault_name(*got.fault), std::string(jinja::fault_name(fault))) << c.source << ": " << got.error;
    EXPECT_TRUE(got.error.starts_with(c.text)) << c.source << ": " << got.error;
  }
}

TEST(Template, ErrorsNameTemplateAndLine) {
  const std::string message =
      test::expect_error(ErrorCode::missing_key, [] { Template("a\n{{ 1 }}\n{{ x.y }}", "mine").render({}); });
  EXPECT_EQ(message, "mine, line 3: 'x' is undefined");
  EXPECT_EQ(test::expect_error(ErrorCode::bad_value, [] { Template("\n{% if %}", "mine"); }),
            "mine, line 2: Expected an expression, got 'end of statement block'");
  EXPECT_EQ(test::expect_error(ErrorCode::invalid_argument,
                               [] { Template("{{ raise_exception('no') }}", "mine").render({}); }),
            "mine, line 1: no");
}

TEST(Template, IntegersHaveNoBoundAndRealsPrintAsInPython) {
  expect_texts({
      {"{{ 9223372036854775807 + 1 }} {{ -9223372036854775808 - 1 }}", "9223372036854775808 -9223372036854775809"},
      {"{{ 2 ** 100 }} {{ 2 ** 100 // 7 }} {{ -(2 ** 100) % 7 }}",
       "1267650600228229401496703205376 181092942889747057356671886482 5"},
      {"{{ (2 ** 100) == (2.0 ** 100) }} {{ 10 ** 30 > 1e29 }} {{ 3 < 3.5 }}", "True True True"},
      {"{{ 1e22 }} {{ 123456789012345680.0 }} {{ 5e-324 }} {{ 0.1 }} {{ 100.0 }}",
       "1e+22 1.2345678901234568e+17 5e-324 0.1 100.0"},
      {"{{ 7 // -2 }} {{ 7 % -2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** 0.5 }}", "-4 -1 -4.0 0.5 1.4142135623730951"},
      {"{{ '9' * 30 }}|{{ ('9' * 30)|int + 1 }}", "999999999999999999999999999999|1000000000000000000000000000000"},
      {"{{ '%05.1f|%-4d|%x|%s|%r' % (3.14159, 7, 255, none, 'a') }}", "003.1|7   |ff|None|'a'"},
      {"{{ '{:>6}|{:<4}|{:^5}|{:+.2e}|{:,}|{!r}'.format('a', 1, 'b', 12345.678, 1234567, 'q') }}",
       "     a|1   |  b  |+1.23e+04|1,234,567|'q'"},
  });
}

TEST(Template, ScopesAreLexical) {
  expect_texts({
      {"{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + 10 %}{{ x }} {% endfor %}{{ x }}", "11 11 1"},
      {"{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% endfor %}", "12"},
      {"{% set ns = namespace() %}{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{% set ns.f = f %}"
       "{% endfor %}{{ ns.f() }}",
       "2"},
      {"{% macro f(a, b=a ~ '!') %}{{ a }}{{ b }}{% endmacro %}{{ f('x') }}{{ f('x', b='y') }}", "xx!xy"},
      {"{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, k=2) }}", "(1,){'k': 2}"},
      {"{% with a = 1, b = a %}[{{ b }}]{% endwith %}", "[]"},
      {"{% set ns = namespace(go=true) %}{% for i in range(9) if ns.go %}{{ i }}{% if i == 2 %}{% set ns.go = false %}"
       "{% endif %}{% endfor %}",
       "012"},
      {"{% for a in [1] %}{% for b in [1, 2] %}{{ loop.index }}{{ loop.last }} {% endfor %}{{ loop.length }}{% endfor "
       "%}",
       "1False 2True 1"},
  });
}

TEST(Template, GeneratorsAreWalkedOnce) {
  expect_texts({
      {"{% set g = [1, 2]|map('string') %}{{ g|list }}{{ g|list }}", "['1', '2'][]"},
      {"{% if []|map('upper') %}yes{% endif %}", "yes"},
      {"{{ [3, 1]|select|first }}{{ 'abc'|reverse }}", "3cba"},
  });
  expect_faults(Fault::type,
                {{"{{ [1]|map('string')|length }}", "TypeError: object of type 'generator' has no len()"}});
}

TEST(Template, CirclesAreTakenApart) {  // the leak checker of the sanitizers watches
  expect_texts({
      {"{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns.me|length }}", "1"},
      {"{% for i in [1] %}{{ loop.changed([loop]) }}{% endfor %}", "True"},
      {"{% for i in [1] recursive %}{% set me = loop %}{% endfor %}x", "x"},
      {"{% set ns = namespace() %}{% for i in [1] %}{% for j in [2] %}{% macro f() %}{{ i }}{% endmacro %}{% set ns.f "
       "= f %}"
       "{% endfor %}{% set g = ns.f %}{% set ns.f = 0 %}{{ g() }}{% endfor %}",
       "1"},
  });
  expect_faults(Fault::limit,
                {{"{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "a value that contains itself"}});
}

TEST(Template, HostileOnesEnd) {
  for (const char* source : {
           "{% set ns = namespace(v=[]) %}{% for i in range(99999) %}{% set ns.v = [ns.v] %}{% endfor %}{{ ns.v }}",
           "{% set ns = namespace(v='x') %}{% for i in range(99999) %}{% set ns.v = cycler(ns.v) %}{% endfor %}x",
           "{% set ns = namespace(v=0) %}{% for i in range(99999) %}{% for x in [ns.v] %}{% set ns.v = loop %}{% "
           "endfor %}"
           "{% endfor %}",
           "{% set ns = namespace(v={}) %}{% for i in range(99999) %}{% set ns.v = {'a': ns.v}.items %}{% endfor %}",
           "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{{ a.find('a' * 500000 ~ 'b') }}{% endfor %}",
           "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{{ a.rfind('b' ~ 'a' * 500000) }}{% endfor %}",
           "{% set a = '<' * 1000000 %}{% for i in range(99999) %}{{ a|striptags }}{% endfor %}",
           "{% set l = range(90000)|list %}{% for i in range(99999) %}{{ l == l }}{% endfor %}",
           "{% set l = range(90000)|list %}{% for i in range(99999) %}{{ 1000000 in l }}{% endfor %}",
           "{% set l = range(90000)|list %}{% for i in range(99999) %}{{ l|sort|length }}{% endfor %}",
           "{% for i in range(99999) %}{{ 9 ** 4000 }}{% endfor %}",
           "{{ '%1000000000d' % 5 }}",
           "{{ '{:>1000000000}'.format(5) }}",
           "{{ '{:.1000000000f}'.format(1.5) }}",
           "{{ 'a'|replace('a', 'b' * 1000000)|replace('b', 'c' * 1000000) }}",
           "{{ ['a' * 1000000] * 100000 }}",
           "{{ '\\x01' * 10000000 }}{{ ['\\x01' * 10000000] }}",
           "{{ ('\\U0001F600' * 1000000)|tojson(ensure_ascii=true) * 9 }}",
           "{{ [[1] * 1000] * 1000 }}{{ ([[1] * 1000] * 1000)|tojson(indent=1000000) }}",
           "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro "
           "%}{{ n() }}",
       }) {
    const test::Rendered got = render(source);
    if (got.fault) {
      EXPECT_EQ(jinja::fault_name(*got.fault), std::string("limit")) << source << ": " << got.error;
    }
  }
}

TEST(Template, LongConversationsAreRendered) {
  std::vector<Value> messages;
  for (int i = 0; i < 2000; ++i)
    messages.push_back(Dict{{"role", i % 2 ? "assistant" : "user"}, {"content", std::string(1000, 'x')}});
  const std::string text = Template(
                               "{% set ns = namespace(t='') %}{% for m in messages %}{% for n in messages[:3] %}"
                               "{% endfor %}{% set ns.t = m.content|trim %}<{{ m.role }}>{{ ns.t }}{% endfor %}")
                               .render({{"messages", Value::list(messages)}});
  EXPECT_EQ(text.size(), 1000 * (1006 + 1011));
}

TEST(Template, NeedsAClockOnlyIfAskedForTheTime) {
  EXPECT_EQ(Template("{% if f %}{{ strftime_now('%Y') }}{% endif %}x").render({}), "x");
  EXPECT_EQ(test::expect_error(ErrorCode::wrong_type, [] { Template("{{ strftime_now('%Y') }}", "t").render({}); }),
            "t, line 1: strftime_now: no time was given to this template");
  EXPECT_EQ(render("{{ strftime_now('%-d %e %-I:%M %p, week %V of %G, %U %W %u, %c, %q%') }}").text,
            "15 15 9:05 AM, week 03 of 2026, 02 02 4, Thu Jan 15 09:05:07 2026, %q%");
}

TEST(Json, IsReadAndWrittenAsPythonDoes) {
  const char* text = R"({"b": [1, -2, 12345678901234567890123, 1.50, 1e400, true, null], "a": "\u00e9\ud83d\ude00\n"})";
  EXPECT_THROW(jinja::value_from_json("{\"a\": 1e400}", "here"), Error);
  std::string finite = text;
  finite.replace(finite.find("1e400"), 5, "1e300");
  const Value value = jinja::value_from_json(finite, "here");
  EXPECT_EQ(
      jinja::to_json(value),
      "{\"b\": [1, -2, 12345678901234567890123, 1.5, 1e+300, true, null], \"a\": \"\xC3\xA9\xF0\x9F\x98\x80\\n\"}");
  EXPECT_EQ(jinja::to_json(*value.dict().get("a"), {.ascii = true}), "\"\\u00e9\\ud83d\\ude00\\n\"");
  for (const char* bad : {"", "{", "[1,]", "{\"a\" 1}", "nul", "\"\\ud800\"", "\"\xFF\"", "1 2", "[1] x", "'a'"})
    EXPECT_EQ(test::expect_error(ErrorCode::bad_value, [&] { jinja::value_from_json(bad, "here"); }).find("here"), 0u)
        << bad;
  test::expect_error(ErrorCode::bad_value, [] { jinja::value_from_json(std::string(100000, '['), "here"); });
}

TEST(Value, TextsAreUtf8) {
  EXPECT_EQ(Value("a\xFF\xC3").string(), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  test::expect_error(ErrorCode::bad_value, [] { Template("\xFF"); });
}

}  // namespace
}  // namespace plumb::template_test
