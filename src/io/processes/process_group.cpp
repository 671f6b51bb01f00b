#include "io/processes/process_group.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#if EMEND_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif

#include "io/error.h"

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

// The first line of an exception of LibTorch.
std::string cause_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string what = torch_error ? torch_error->what_without_backtrace() : error.what();
  return what.substr(0, what.find('\n'));
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
};

namespace {

c10::intrusive_ptr<c10d::TCPStore> open_store(const ProcessPlace& place,
                                              ProcessGroup::Milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = place.port;
  options.isServer = place.rank == 0;
  options.waitWorkers = false;
  options.timeout = timeout;
  // c10d logs the attempts that fail, but the error below is enough.
  if (&fLI::FLAGS_minloglevel) fLI::FLAGS_minloglevel = 3;
  try {
    return c10::make_intrusive<c10d::TCPStore>(place.address, options);
  } catch (const std::exception& error) {
    const auto where = fmt::format("{}:{}", place.address, place.port);
    if (options.isServer)
      throw Error("io::process_group",
                  fmt::format("rank 0 cannot listen at {}: {}", where, cause_of(error)),
                  "the port may be in use; set MASTER_PORT to another one");
    throw Error("io::process_group",
                fmt::format("rank {} cannot reach rank 0 at {}: {}", place.rank, where,
                            cause_of(error)),
                "check MASTER_ADDR and MASTER_PORT, and that rank 0 was started");
  }
}

// Calls the store; an exception becomes an error with rank and cause.
template <class F>
auto call(const ProcessPlace& place, F&& act) {
  try {
    return act();
  } catch (const std::exception& error) {
    throw Error("io::process_group",
                fmt::format("rank {}: rank 0 at {}:{} no longer answers: {}", place.rank,
                            place.address, place.port, cause_of(error)),
                "look for the error of rank 0, and start the run again to resume it");
  }
}

}  // namespace

ProcessGroup::ProcessGroup(ProcessPlace place, Milliseconds timeout)
    : place_(std::move(place)), state_(std::make_unique<State>()) {
  state_->timeout = timeout;
  state_->store = open_store(place_, timeout);
  place_.port = state_->store->getPort();
  add(alive_key(rank()), 1);
  state_->reporter = std::thread([this] {
    std::unique_lock lock(state_->mutex);
    while (!state_->end.wait_for(lock, kBetweenReports, [&] { return state_->ended; })) {
      lock.unlock();
      try {
        state_->store->add(alive_key(rank()), 1);
      } catch (const std::exception&) {  // the next call of the main thread reports it
      }
      lock.lock();
    }
  });
}

ProcessGroup::~ProcessGroup() {
  try {
    if (rank() != 0) state_->store->add(left_key(rank()), 1);
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
  return call(place_, [&] { return state_->store->add(key, amount); });
}

void ProcessGroup::set(const std::string& key, const std::string& value) {
  call(place_, [&] {
    state_->store->set(key, std::vector<uint8_t>(value.begin(), value.end()));
    return 0;
  });
}

std::optional<std::string> ProcessGroup::get(const std::string& key) {
  return call(place_, [&]() -> std::optional<std::string> {
    if (!state_->store->check({key})) return std::nullopt;
    const auto bytes = state_->store->get(key);
    return std::string(bytes.begin(), bytes.end());
  });
}

void ProcessGroup::erase(const std::string& key) {
  call(place_, [&] { return state_->store->deleteKey(key); });
}

std::string ProcessGroup::wait(const std::string& key, int rank) {
  while (true) {
    if (auto value = get(key)) return *value;
    if (auto reason = failure(rank))
      throw Error("io::process_group", fmt::format("rank {}: {}", rank, *reason),
                  "correct this and start the run again");
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
      auto options = c10d::ProcessGroupGloo::Options::create(state_->timeout);
      options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
      state_->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(
          c10::make_intrusive<c10d::PrefixStore>("gloo", state_->store), rank(), size(), options);
    }
    for (const auto& tensor : tensors) {
      std::vector<at::Tensor> one = {tensor};
      state_->gloo->allreduce(one)->wait();
    }
  } catch (const std::exception& error) {
    throw Error("io::process_group",
                fmt::format("rank {}: a sum over the processes failed: {}", rank(),
                            cause_of(error)),
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
