#include "io/processes/process_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "io/error.h"
#include "io/exception_message.h"
#include "io/log.h"
#include "io/processes/gloo_device.h"
#include "io/processes/network.h"

// The log level of glog, which LibTorch may use; it has no header of LibTorch's.
namespace fLI {
extern int FLAGS_minloglevel __attribute__((weak));
}

namespace emend {
namespace {

using GroupClock = std::chrono::steady_clock;
constexpr auto kBetweenReports = std::chrono::seconds(1);
constexpr auto kSilence = std::chrono::seconds(10);
constexpr auto kBetweenLooks = std::chrono::milliseconds(20);
// After this time, a call to a machine that does not answer fails.
constexpr auto kUnreachable = std::chrono::seconds(30);
constexpr auto kShortestAttempt = std::chrono::seconds(1);
constexpr auto kLongestAttempt = std::chrono::seconds(10);
// Processes may reach a sum at different times, because a machine may be slower than another one.
constexpr auto kSlowestSum = std::chrono::hours(2);
constexpr const char* kSize = "size";

std::chrono::seconds unreachable(ProcessGroup::Milliseconds timeout) {
  return std::min(kUnreachable, std::chrono::ceil<std::chrono::seconds>(timeout));
}

std::string failure_key(int rank) { return fmt::format("failure/{}", rank); }
std::string left_key(int rank) { return fmt::format("left/{}", rank); }
std::string alive_key(int rank) { return fmt::format("alive/{}", rank); }

}  // namespace

struct ProcessGroup::State {
  struct Sign {  // of life
    int64_t reports = 0;
    GroupClock::time_point seen;
  };

  c10::intrusive_ptr<c10d::TCPStore> store;
#if EMEND_GLOO
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
#endif
  Milliseconds timeout;
  GroupClock::time_point begin = GroupClock::now();
  std::map<int, Sign> signs;
  std::function<bool(int)> running;
  std::mutex mutex;
  std::condition_variable end;
  bool ended = false;
  std::thread reporter;
  std::atomic<bool> lost = false;  // whether rank 0 no longer answers

  // Calls the store; an exception becomes an error with rank and cause. After it, other calls fail
  // at once, because each of them would wait for the unreachable machine again.
  template <class F>
  auto call(const ProcessPlace& place, F&& act) {
    std::string cause = "an earlier call failed";
    try {
      if (!lost) return act();
    } catch (const std::exception& error) {
      cause = exception_message(error);
      lost = true;
    }
    throw Error("io::process_group",
                fmt::format("rank {}: rank 0 at {}:{} no longer answers: {}", place.rank,
                            place.address, place.port, cause),
                "look for the error of rank 0, and start the run again to resume it");
  }
};

namespace {

c10::intrusive_ptr<c10d::TCPStore> connect(const ProcessPlace& place,
                                           ProcessGroup::Milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = place.port;
  options.isServer = place.rank == 0;
  options.waitWorkers = false;
  options.timeout = timeout;
  return c10::make_intrusive<c10d::TCPStore>(place.address, options);
}

[[noreturn]] void cannot_listen(const ProcessPlace& place, const std::string& cause) {
  const auto where = fmt::format("{}:{}", place.address, place.port);
  if (cause.find("ddress already in use") != cause.npos)
    throw Error("io::process_group",
                fmt::format("rank 0 cannot listen at {}: another program uses the port", where),
                "set MASTER_PORT to another number, such as 29700, for all processes");
  throw Error("io::process_group", fmt::format("rank 0 cannot listen at {}: {}", where, cause),
              "MASTER_ADDR must be an address of rank 0's machine, and MASTER_PORT a free port");
}

c10::intrusive_ptr<c10d::TCPStore> open_store(const ProcessPlace& place,
                                              ProcessGroup::Milliseconds timeout) {
  // c10d logs the attempts that fail, but the messages below are enough.
  if (&fLI::FLAGS_minloglevel) fLI::FLAGS_minloglevel = 3;
  const auto end = GroupClock::now() + timeout;
  for (bool told = false;; told = true) {
    std::string cause;
    const auto left =
        std::chrono::duration_cast<ProcessGroup::Milliseconds>(end - GroupClock::now());
    try {
      if (place.port != 0) route_to(place.address, place.port);
      // c10d counts whole seconds.
      auto store = connect(place, std::clamp<ProcessGroup::Milliseconds>(left, kShortestAttempt,
                                                                         kLongestAttempt));
      store->setTimeout(unreachable(timeout));  // of each call
      return store;
    } catch (const Error& error) {  // the name of a machine may become known when it starts
      if (place.rank == 0) throw;
      cause = error.what();
    } catch (const std::exception& error) {
      cause = exception_message(error);
      if (place.rank == 0) cannot_listen(place, cause);
    }
    const auto where = fmt::format("{}:{}", place.address, place.port);
    if (GroupClock::now() + kBetweenLooks >= end)
      throw Error("io::process_group",
                  fmt::format("rank {} cannot reach rank 0 at {}: {}", place.rank, where, cause),
                  "check MASTER_ADDR and MASTER_PORT, and that rank 0 was started");
    if (!told)
      logger().warn("rank {} cannot reach rank 0 at {} yet, and tries again for {} s", place.rank,
                    where, std::chrono::duration_cast<std::chrono::seconds>(left).count());
    std::this_thread::sleep_for(
        std::min<ProcessGroup::Milliseconds>(kBetweenReports, std::max(left / 10, kBetweenLooks)));
  }
}

}  // namespace

ProcessGroup::ProcessGroup(ProcessPlace place, Milliseconds timeout)
    : place_(std::move(place)), state_(std::make_unique<State>()) {
  state_->timeout = timeout;
  state_->store = open_store(place_, timeout);
  place_.port = state_->store->getPort();
  limit_silence(unreachable(timeout), place_.port);
  check_place();
  add(alive_key(rank()), 1);
  state_->reporter = std::thread([this] {
    std::unique_lock lock(state_->mutex);
    while (!state_->end.wait_for(lock, kBetweenReports, [&] { return state_->ended; })) {
      lock.unlock();
      try {
        add(alive_key(rank()), 1);
      } catch (const Error&) {  // the next call of the main thread reports it
        return;
      }
      lock.lock();
    }
  });
}

// Another run may use the same port.
void ProcessGroup::check_place() {
  const auto refuse = [&](const std::string& what) {
    throw Error("io::process_group",
                fmt::format("{}, so another run uses {}:{}", what, place_.address, place_.port),
                "set MASTER_PORT to another number, such as 29700, for all processes of this run");
  };
  if (rank() == 0) set(kSize, std::to_string(size()));
  const auto its = wait(kSize, 0);
  if (its != std::to_string(size()))
    refuse(fmt::format("rank {} belongs to a run of {} processes, but rank 0 to one of {}", rank(),
                       size(), its));
  if (add(fmt::format("joined/{}", rank()), 1) > 1)
    refuse(fmt::format("a process has already joined as rank {}", rank()));
}

ProcessGroup::~ProcessGroup() {
  try {
    if (rank() != 0) add(left_key(rank()), 1);
    // The store stays open for the others. A process that never came is not waited for as long.
    const auto late = GroupClock::now() + kSilence;
    const auto came = [&](int other) { return state_->signs[other].reports > 0; };
    for (int other = 1; rank() == 0 && other < size(); ++other)
      while (alive(other) && (came(other) || GroupClock::now() < late))
        std::this_thread::sleep_for(kBetweenLooks);
  } catch (const std::exception&) {  // rank 0 is dead
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
  }
  state_->end.notify_all();
  state_->reporter.join();
}

int64_t ProcessGroup::add(const std::string& key, int64_t amount) {
  return state_->call(place_, [&] { return state_->store->add(key, amount); });
}

void ProcessGroup::set(const std::string& key, const std::string& value) {
  state_->call(place_, [&] {
    state_->store->set(key, std::vector<uint8_t>(value.begin(), value.end()));
    return 0;
  });
}

std::optional<std::string> ProcessGroup::get(const std::string& key) {
  return state_->call(place_, [&]() -> std::optional<std::string> {
    if (!state_->store->check({key})) return std::nullopt;
    const auto bytes = state_->store->get(key);
    return std::string(bytes.begin(), bytes.end());
  });
}

void ProcessGroup::erase(const std::string& key) {
  state_->call(place_, [&] { return state_->store->deleteKey(key); });
}

std::string ProcessGroup::wait(const std::string& key, int rank) {
  while (true) {
    if (auto value = get(key)) return *value;
    if (auto reason = failure(rank))
      throw Error("io::process_group", fmt::format("rank {}: {}", rank, *reason),
                  reason->find("Hint: ") == reason->npos ? "correct this and start the run again"
                                                         : "");
    if (!alive(rank))
      throw Error("io::process_group", fmt::format("rank {} ended without a message", rank),
                  "look for its output, and start the run again to resume it");
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

bool ProcessGroup::alive(int rank) {
  if (get(left_key(rank)) || (state_->running && rank != 0 && !state_->running(rank))) return false;
  const auto now = GroupClock::now();
  auto& sign = state_->signs[rank];
  const auto reports = add(alive_key(rank), 0);
  if (reports != sign.reports) sign = {reports, now};
  if (sign.reports == 0) return now - state_->begin < state_->timeout;
  return now - sign.seen < kSilence;
}

void ProcessGroup::watch(std::function<bool(int rank)> running) {
  state_->running = std::move(running);
}

void ProcessGroup::fail(const std::string& reason) {
  set(failure_key(rank()), reason);
}

std::optional<std::string> ProcessGroup::failure(int rank) { return get(failure_key(rank)); }

void ProcessGroup::sum(const std::vector<at::Tensor>& tensors) {
#if EMEND_GLOO
  try {
    if (!state_->gloo) {
      auto options = c10d::ProcessGroupGloo::Options::create(kSlowestSum);
      options->devices.push_back(gloo_device(*this));
      state_->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(
          c10::make_intrusive<c10d::PrefixStore>("gloo", state_->store), rank(), size(), options);
      limit_silence(unreachable(state_->timeout), place_.port);
    }
    for (const auto& tensor : tensors) {
      std::vector<at::Tensor> one = {tensor};
      state_->gloo->allreduce(one)->wait();
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error("io::process_group",
                fmt::format("rank {}: a sum over the processes failed: {}", rank(),
                            exception_message(error)),
                "look for the error of the process that ended, and resume the run");
  }
#else
  (void)tensors;
  throw Error("io::process_group", "this build has no Gloo, which sums over processes need",
              "install libgloo-dev and build again");
#endif
}

bool ProcessGroup::any(bool flag) {
  const auto count = at::full({1}, flag ? 1.0 : 0.0);
  sum({count});
  return count.item<double>() > 0;
}

}  // namespace emend
