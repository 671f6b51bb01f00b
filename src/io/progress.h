#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>

namespace emend {

struct ProgressOptions {
  std::FILE* out = stderr;
  std::optional<bool> terminal;  // asked of `out` when not given
  double seconds_between_lines = 30;
};

// Shows how far a long job is. On a terminal one line that is drawn over again, with rate and time
// left; elsewhere (a log file) a line now and then. The last state is shown when it is destroyed.
class Progress {
 public:
  // `total` 0: unknown. `done` at the start: a resumed job; it does not count for the rate.
  Progress(std::string title, int64_t total, int64_t done = 0, ProgressOptions options = {});
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void advance(int64_t steps = 1);
  void set(int64_t done);
  // Shown at the end of the line: "loss 0.31".
  void note(std::string text);

 private:
  using Clock = std::chrono::steady_clock;
  void show(bool last);
  std::string line(double seconds) const;

  std::mutex mutex_;
  std::string title_;
  std::string note_;
  int64_t total_;
  int64_t first_;
  int64_t done_;
  ProgressOptions options_;
  bool terminal_;
  Clock::time_point start_;
  Clock::time_point shown_;
};

// "0:07", "12:45", "3:02:10".
std::string format_duration(double seconds);

}  // namespace emend
