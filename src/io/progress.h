#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>

namespace emend {

// Where and how often progress is shown.
struct ProgressOptions {
  std::FILE* out = stderr;
  std::optional<bool> terminal;  // detected from `out` if not set
  double seconds_between_lines = 30;
};

// Shows the progress of a long job. On a terminal it redraws one line with rate and remaining time;
// elsewhere (a log file) it prints a line at intervals. The destructor prints the final state.
class Progress {
 public:
  // `total` 0: unknown. `done` is the number of steps that a resumed job has already done; they do
  // not count for the rate.
  Progress(std::string title, int64_t total, int64_t done = 0, ProgressOptions options = {});
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void advance(int64_t steps = 1);
  void set(int64_t done);
  // Sets a note at the end of the line, such as "loss 0.31".
  void note(std::string text);
  // Ends a job that was complete before its total, such as a search. The last line then has
  // `outcome` in place of title, bar and number: "editing: holds after 15 steps, 12.0/s, 0:01".
  void finish(std::string outcome);

 private:
  using Clock = std::chrono::steady_clock;
  void show(bool last);
  std::string line(double seconds) const;

  std::mutex mutex_;
  std::string title_;
  std::string note_;
  std::string outcome_;
  int64_t total_;
  int64_t first_;
  int64_t done_;
  ProgressOptions options_;
  bool terminal_;
  Clock::time_point start_;
  Clock::time_point shown_;
};

// Formats a duration as "0:07", "12:45" or "3:02:10".
std::string format_duration(double seconds);

}  // namespace emend
