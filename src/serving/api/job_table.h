#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "serving/api/storage/workspace.h"
#include "serving/engine.h"

namespace emend {

// What a running job tells its table. The functions are called on the engine's thread, between the
// steps of the job. They answer the chat requests that wait, and end the job with an exception if
// it was cancelled.
class JobProgress {
 public:
  virtual ~JobProgress() = default;
  virtual void part(const std::string& name) = 0;
  virtual void step(int64_t step, int64_t steps, std::optional<double> loss = {}) = 0;
};

// Edits, traces and exports: they run one at a time in the order of their requests, on the engine's
// thread. Each job has a record in the workspace from its request on, so that a server that was
// killed lists it as failed. Thread-safe.
class JobTable {
 public:
  // Runs a job and returns its result.
  using Work = std::function<nlohmann::json(JobProgress&)>;

  // Reads the newest jobs of the workspace. `workspace` may be null: nothing is kept.
  JobTable(Engine& engine, const Workspace* workspace);
  JobTable(const JobTable&) = delete;
  JobTable& operator=(const JobTable&) = delete;
  ~JobTable();  // stops

  // Returns the id. `on_end` is called when the job has ended in any way. Throws ApiError with
  // status 503 if too many jobs wait.
  std::string submit(const std::string& kind, const std::string& title, nlohmann::json request,
                     Work work, std::function<void()> on_end = {});
  // The newest jobs, the newest first, without their requests and results.
  nlohmann::json list() const;
  // With request and result. Throws ApiError with status 404.
  nlohmann::json get(const std::string& id) const;
  // Throws ApiError with status 404, and 409 if the job has ended.
  void cancel(const std::string& id);
  // Ends the running job at its next step, and all that wait. They are listed as failed.
  void stop();

  // Waits until the job's version is not `seen`, but no longer than `time`.
  struct Change {
    uint64_t version = 0;
    std::string status;
    nlohmann::json progress;  // {part, step, steps, loss}
    bool ended() const { return status != "waiting" && status != "running"; }
  };
  Change wait(const std::string& id, uint64_t seen, std::chrono::milliseconds time) const;

 private:
  struct Job;
  class Progress;

  void read_records();
  void work();
  void run(const std::shared_ptr<Job>& job);
  // `error` empty: none. The caller does not hold the lock.
  void end(const std::shared_ptr<Job>& job, const std::string& status, const std::string& error);
  void save(const nlohmann::json& record) const;
  std::shared_ptr<Job> find(const std::string& id) const;
  void forget_oldest();

  Engine& engine_;
  const Workspace* workspace_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> jobs_;     // the oldest first
  std::deque<std::shared_ptr<Job>> waiting_;  // a part of them
  int64_t last_ = 0;                          // the number of the newest job
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace emend
