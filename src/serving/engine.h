#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "models/caching/activation_store.h"
#include "serving/chat_request.h"
#include "serving/model_names.h"

namespace emend {

// The limits of an engine.
struct EngineOptions {
  size_t max_waiting = 64;                     // further requests get status 503
  size_t max_batch = 8;                        // requests that run together
  std::chrono::seconds timeout{120};           // of a request, from its arrival; then status 504
  uint64_t picture_bytes = uint64_t{1} << 30;  // memory for features of pictures
};

// The answer to a request.
struct ChatAnswer {
  std::string text;
  bool complete = true;  // false: a limit of length ended it
  int64_t prompt_tokens = 0, completion_tokens = 0;
};

// The numbers of requests and tokens since the start; waiting and running: now.
struct EngineCounts {
  int64_t requests = 0, failed = 0, waiting = 0, running = 0, batches = 0;
  int64_t prompt_tokens = 0, completion_tokens = 0;
};

// Runs a model for requests of several threads. One thread of its own uses the model, also for
// tasks such as edits. Greedy requests for the same model name that wait at the same time run as a
// batch. A KV cache lives as long as its batch.
class Engine {
 public:
  Engine(const Vlm& vlm, ModelNames& models, const EngineOptions& options = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();  // stops; requests that wait fail with status 503

  // Receives the next piece of the answer. Called on the engine's thread; false cancels the
  // request.
  using OnText = std::function<bool(const std::string& piece)>;
  // Waits for the answer. Throws ApiError: 404 for an unknown model, 400 for a prompt that the model
  // cannot read, 503 if too many requests wait or the engine stops, 504 after the timeout, 499 if
  // it was cancelled, 500 if the model fails.
  ChatAnswer answer(ChatRequest request, const OnText& on_text = {});
  EngineCounts counts() const;

  // quick: waits and is limited like a chat request. lengthy: begins after the requests that wait,
  // and calls serve_waiting() between its steps.
  enum class TaskLength { quick, lengthy };
  // Runs a task on the engine's thread, and waits for its end. Throws what the task throws, and
  // ApiError as answer() does.
  void perform(std::function<void()> task, TaskLength length);
  // Answers the requests that wait now. Only a lengthy task may call it.
  void serve_waiting();
  // Shared activations; to be used by tasks only.
  ActivationStore& store() { return store_; }

 private:
  struct Job;
  using Jobs = std::vector<std::shared_ptr<Job>>;

  struct Task;
  using Tasks = std::deque<std::shared_ptr<Task>>;

  void work();
  void serve_batch();
  void run_task(Tasks& tasks);
  void stop_waiting();
  Jobs next_jobs();
  // Runs the jobs of a batch, or one by one if the batch cannot be made. Errors end the jobs.
  void serve(const Jobs& jobs);
  void run(const Jobs& jobs);
  void finish(const std::shared_ptr<Job>& job);

  const Vlm& vlm_;
  ModelNames& models_;
  EngineOptions options_;
  ActivationStore store_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_, finished_;
  std::deque<std::shared_ptr<Job>> waiting_;
  Tasks quick_, lengthy_;
  EngineCounts counts_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace emend
