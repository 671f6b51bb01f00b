#include "io/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

constexpr double kSecondsBetweenDrawings = 0.1;
constexpr int kBarWidth = 24;

size_t terminal_width(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string format_rate(double rate) {
  return rate >= 1 || rate <= 0 ? fmt::format("{:.1f}/s", rate)
                                : fmt::format("{:.1f} s each", 1 / rate);
}

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  auto whole = static_cast<int64_t>(std::llround(seconds));
  auto hours = whole / 3600, minutes = whole / 60 % 60;
  return hours ? fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60)
               : fmt::format("{}:{:02}", minutes, whole % 60);
}

Progress::Progress(std::string title, int64_t total, int64_t done, ProgressOptions options)
    : title_(std::move(title)),
      total_(total),
      first_(done),
      done_(done),
      options_(options),
      terminal_(options.terminal.value_or(::isatty(::fileno(options.out)) == 1)),
      start_(Clock::now()),
      shown_(start_) {
  if (terminal_) show(false);
}

Progress::~Progress() { show(true); }

void Progress::advance(int64_t steps) {
  std::lock_guard lock(mutex_);
  done_ += steps;
  double pause = terminal_ ? kSecondsBetweenDrawings : options_.seconds_between_lines;
  if (seconds_between(shown_, Clock::now()) >= pause) show(false);
}

void Progress::set(int64_t done) {
  int64_t steps;
  {
    std::lock_guard lock(mutex_);
    steps = done - done_;
  }
  advance(steps);
}

void Progress::note(std::string text) {
  std::lock_guard lock(mutex_);
  note_ = std::move(text);
}

void Progress::finish(std::string outcome) {
  std::lock_guard lock(mutex_);
  outcome_ = std::move(outcome);
}

std::string Progress::line(double seconds) const {
  auto text = fmt::format("{} ", title_);
  double rate = seconds > 0 ? static_cast<double>(done_ - first_) / seconds : 0;
  if (!outcome_.empty()) {
    text = outcome_;
  } else if (total_ > 0) {
    double part = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
    if (terminal_) {
      auto filled = static_cast<size_t>(part * kBarWidth);
      text += fmt::format("[{:.<{}}] ", std::string(filled, '#'), kBarWidth);
    }
    text += fmt::format("{}/{} {:.0f} %", done_, total_, std::floor(100 * part));
  } else {
    text += fmt::format("{}", done_);
  }
  text += fmt::format(", {}, {}", format_rate(rate), format_duration(seconds));
  if (outcome_.empty() && total_ > done_ && rate > 0)
    text += fmt::format(", {} left", format_duration(static_cast<double>(total_ - done_) / rate));
  if (!note_.empty()) text += fmt::format(", {}", note_);
  return text;
}

void Progress::show(bool last) {
  shown_ = Clock::now();
  auto text = line(seconds_between(start_, shown_));
  if (terminal_) {
    // A longer line would wrap, and could then not be overwritten.
    text = text.substr(0, terminal_width(options_.out) - 1);
    std::fprintf(options_.out, "\r%s\x1b[K%s", text.c_str(), last ? "\n" : "");
  } else {
    std::fprintf(options_.out, "%s\n", text.c_str());
  }
  std::fflush(options_.out);
}

}  // namespace emend
