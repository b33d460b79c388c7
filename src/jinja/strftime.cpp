#include "strftime.hpp"

#include <chrono>

#include "heap.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

constexpr const char* kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                   "July",    "August",   "September", "October", "November", "December"};

std::string padded_number(int value, int width, char pad) {
  std::string out = std::to_string(value);
  if (pad != '\0' && static_cast<int>(out.size()) < width)
    out.insert(0, static_cast<std::size_t>(width) - out.size(), pad);
  return out;
}

class Clock {
 public:
  explicit Clock(const LocalTime& time) : t_(time) {
    using namespace std::chrono;
    const sys_days today = year(t_.year) / t_.month / t_.day;
    const sys_days first = year(t_.year) / 1 / 1;
    weekday_ = static_cast<int>(weekday(today).c_encoding());
    day_of_year_ = static_cast<int>((today - first).count());
  }

  /// What `directive` stands for; false if it stands for nothing. pad: '\0' none, 'd' as usual.
  bool append(char directive, char pad, std::string& out) const {
    const auto number = [&](int value, int width, char usual) {
      out += padded_number(value, width, pad == 'd' ? usual : pad);
      return true;
    };
    const auto together = [&](std::string_view format) {
      for (const char c : format) {
        if (c >= 'A')
          append(c, 'd', out);
        else
          out += c;
      }
      return true;
    };
    const int hour12 = t_.hour % 12 == 0 ? 12 : t_.hour % 12;
    switch (directive) {
      case 'a': out += std::string_view(kDays[weekday_]).substr(0, 3); return true;
      case 'A': out += kDays[weekday_]; return true;
      case 'b':
      case 'h': out += std::string_view(kMonths[t_.month - 1]).substr(0, 3); return true;
      case 'B': out += kMonths[t_.month - 1]; return true;
      case 'c':
        together("a b ");
        number(t_.day, 2, ' ');
        return together(" H:M:S Y");
      case 'C': return number(t_.year / 100, 2, '0');
      case 'd': return number(t_.day, 2, '0');
      case 'D':
      case 'x': return together("m/d/y");
      case 'e': return number(t_.day, 2, ' ');
      case 'f': out += "000000"; return true;
      case 'F': return together("Y-m-d");
      case 'G': return number(iso_year(), 4, '0');
      case 'g': return number(iso_year() % 100, 2, '0');
      case 'H': return number(t_.hour, 2, '0');
      case 'I': return number(hour12, 2, '0');
      case 'j': return number(day_of_year_ + 1, 3, '0');
      case 'k': return number(t_.hour, 2, ' ');
      case 'l': return number(hour12, 2, ' ');
      case 'm': return number(t_.month, 2, '0');
      case 'M': return number(t_.minute, 2, '0');
      case 'n': out += '\n'; return true;
      case 'p': out += t_.hour < 12 ? "AM" : "PM"; return true;
      case 'P': out += t_.hour < 12 ? "am" : "pm"; return true;
      case 'r': return together("I:M:S p");
      case 'R': return together("H:M");
      case 'S': return number(t_.second, 2, '0');
      case 't': out += '\t'; return true;
      case 'T':
      case 'X': return together("H:M:S");
      case 'u': return number(weekday_ == 0 ? 7 : weekday_, 1, '0');
      case 'U': return number((day_of_year_ + 7 - weekday_) / 7, 2, '0');
      case 'V': return number(iso_week(), 2, '0');
      case 'w': return number(weekday_, 1, '0');
      case 'W': return number((day_of_year_ + 7 - (weekday_ + 6) % 7) / 7, 2, '0');
      case 'y': return number(t_.year % 100, 2, '0');
      case 'Y': return number(t_.year, 4, '\0');
      case 'z':
      case 'Z': return true;  // a time on the wall knows no zone
      case '%': out += '%'; return true;
      default: return false;
    }
  }

 private:
  /// The ISO week belongs to the year of its Thursday.
  std::chrono::sys_days thursday() const {
    using namespace std::chrono;
    return sys_days(year(t_.year) / t_.month / t_.day) + days(3 - (weekday_ + 6) % 7);
  }
  int iso_year() const { return static_cast<int>(std::chrono::year_month_day(thursday()).year()); }
  int iso_week() const {
    using namespace std::chrono;
    return static_cast<int>((thursday() - sys_days(year(iso_year()) / 1 / 1)).count()) / 7 + 1;
  }

  LocalTime t_;
  int weekday_ = 0, day_of_year_ = 0;
};

}  // namespace

std::string strftime_text(std::string_view format, const LocalTime& time, Budget& budget) {
  const std::chrono::year_month_day day = std::chrono::year(time.year) / time.month / time.day;
  if (!day.ok() || time.year < 1 || time.year > 9999) stop(Fault::type, "strftime_now: no such day was given");
  const Clock clock(time);
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    budget.expect(out.size());
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const std::size_t begin = i++;
    char pad = 'd';
    if (const char flag = format[i]; (flag == '-' || flag == '_' || flag == '0') && i + 1 < format.size()) {
      pad = flag == '-' ? '\0' : flag == '_' ? ' ' : '0';
      ++i;
    }
    if (!clock.append(format[i], pad, out)) out += format.substr(begin, i + 1 - begin);
  }
  return out;
}

}  // namespace plumb
