#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/processes/launcher.h"

namespace emend {

// Processes of one run, on one or several machines, that share a key-value store in rank 0 (c10d's
// TCPStore). Every process reports that it is alive once a second.
//
//   ProcessGroup group(*launched_place());
//   const auto task = group.add("tasks", 1);  // another number in each call of any process
//
// All functions throw emend::Error, with rank and cause, if rank 0 no longer answers, or if its
// machine has been unreachable for 30 seconds.
class ProcessGroup {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // Rank 0 listens at the port of `place`, or at a free one if it is 0; the others connect to it
  // within `timeout`. Throws emend::Error if the port is in use, rank 0 cannot be reached, or the
  // processes of another run use the port.
  explicit ProcessGroup(ProcessPlace place, Milliseconds timeout = std::chrono::minutes(5));
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;
  // Rank 0 waits until the others have left or are dead, because they need its store.
  ~ProcessGroup();

  const ProcessPlace& place() const { return place_; }
  int rank() const { return place_.rank; }
  int size() const { return place_.size; }
  bool writes() const { return rank() == 0; }  // whether this process writes the files of the run

  // Adds to a counter that starts at 0, and returns its new value.
  int64_t add(const std::string& key, int64_t amount);
  void set(const std::string& key, const std::string& value);
  std::optional<std::string> get(const std::string& key);
  void erase(const std::string& key);
  // Waits until the key is set. Throws emend::Error if `rank`, which sets it, fails or is dead.
  std::string wait(const std::string& key, int rank);

  // Whether a process has not left, and has reported that it is alive within the last 10 seconds. A
  // process that has not joined yet counts as alive for the timeout of the constructor.
  bool alive(int rank);
  // Rank 0: `running` tells whether a process that it has started is running, which is known
  // sooner.
  void watch(std::function<bool(int rank)> running);
  // Tells the other processes that this one stops, and why.
  void fail(const std::string& reason);
  // Why a process has stopped; none: it has not told.
  std::optional<std::string> failure(int rank);

  // Replaces the tensors of all processes, which have equal shapes, by their sums (Gloo). The sums
  // are the same in every process. Throws emend::Error if a process ends before, or if emend was
  // built without Gloo.
  void sum(const std::vector<at::Tensor>& tensors);
  // Whether `flag` is true in any process. All processes must call this.
  bool any(bool flag);

 private:
  struct State;

  void check_place();

  ProcessPlace place_;
  std::unique_ptr<State> state_;
};

}  // namespace emend
