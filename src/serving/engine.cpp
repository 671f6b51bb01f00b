#include "serving/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "io/error.h"
#include "io/log.h"
#include "models/caching/prefix.h"
#include "models/prompting/request_batch.h"
#include "serving/answer_stream.h"
#include "serving/api_error.h"

namespace emend {
namespace {

ActivationStore::Options store_options(uint64_t bytes) {
  ActivationStore::Options options;
  options.memory_bytes = bytes;
  return options;
}

}  // namespace

struct Engine::Job {
  Job(ChatRequest asked, std::shared_ptr<const PatchStack> patches, OnText receiver,
      std::chrono::steady_clock::time_point limit)
      : request(std::move(asked)),
        stack(std::move(patches)),
        on_text(std::move(receiver)),
        deadline(limit),
        stream(request.stop) {}

  // Takes the tokens so far. Returns whether the answer goes on.
  bool advance(const Processor& processor, const std::vector<int64_t>& tokens, bool last) {
    const auto limit = request.generation.max_new_tokens;
    answer.completion_tokens = static_cast<int64_t>(tokens.size());
    // Without a receiver and stop texts, only the whole text matters.
    const bool reads_text = last || on_text || !request.stop.empty();
    const auto piece =
        reads_text ? stream.advance(answer_text(processor, tokens), last) : std::string();
    if (!piece.empty() && on_text && !on_text(piece)) {
      fail(499, "the client closed the connection");
      return false;
    }
    if (std::chrono::steady_clock::now() > deadline) {
      fail(504, "the request took too long");
      return false;
    }
    return !stream.stopped() && answer.completion_tokens < limit;
  }
  void fail(int status, const std::string& message) {
    fail(ApiError(status, status == 499 ? "cancelled" : "server_error", message));
  }
  void fail(const ApiError& reason) {
    if (!error) error = reason;
  }

  ChatRequest request;
  std::shared_ptr<const PatchStack> stack;
  OnText on_text;
  std::chrono::steady_clock::time_point deadline;
  AnswerStream stream;
  ChatAnswer answer;
  std::optional<ApiError> error;
  bool finished = false;
};

struct Engine::Task {
  std::function<void()> run;
  std::chrono::steady_clock::time_point deadline;
  std::exception_ptr error = {};
  bool finished = false;
};

Engine::Engine(const Vlm& vlm, ModelNames& models, const EngineOptions& options)
    : vlm_(vlm), models_(models), options_(options), store_(store_options(options.picture_bytes)) {
  thread_ = std::thread([this] { work(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  thread_.join();
}

ChatAnswer Engine::answer(ChatRequest request, const OnText& on_text) {
  auto stack = models_.find(request.model);
  auto job = std::make_shared<Job>(std::move(request), std::move(stack), on_text,
                                   std::chrono::steady_clock::now() + options_.timeout);
  std::unique_lock lock(mutex_);
  if (stopping_ || waiting_.size() >= options_.max_waiting)
    refuse_busy(stopping_, "requests");
  waiting_.push_back(job);
  arrived_.notify_one();
  finished_.wait(lock, [&] { return job->finished; });
  if (job->error) throw *job->error;
  return job->answer;
}

EngineCounts Engine::counts() const {
  const std::lock_guard lock(mutex_);
  auto counts = counts_;
  counts.waiting = static_cast<int64_t>(waiting_.size());
  return counts;
}

void Engine::finish(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex_);
  job->finished = true;
  ++counts_.requests;
  counts_.failed += job->error.has_value();
  counts_.prompt_tokens += job->answer.prompt_tokens;
  counts_.completion_tokens += job->answer.completion_tokens;
  finished_.notify_all();
}

void Engine::perform(std::function<void()> run, TaskLength length) {
  const bool quick = length == TaskLength::quick;
  const auto deadline = quick ? std::chrono::steady_clock::now() + options_.timeout
                              : std::chrono::steady_clock::time_point::max();
  const auto task = std::make_shared<Task>(Task{std::move(run), deadline});
  std::unique_lock lock(mutex_);
  if (stopping_ || (quick && waiting_.size() + quick_.size() >= options_.max_waiting))
    refuse_busy(stopping_, "requests");
  (quick ? quick_ : lengthy_).push_back(task);
  arrived_.notify_one();
  finished_.wait(lock, [&] { return task->finished; });
  if (task->error) std::rethrow_exception(task->error);
}

void Engine::serve_waiting() {
  size_t rounds = 0;
  {
    const std::lock_guard lock(mutex_);
    rounds = std::max(waiting_.size(), quick_.size());
  }
  // Requests that arrive meanwhile wait for the next call, so that the task goes on.
  for (size_t i = 0; i < rounds; ++i) {
    serve_batch();
    run_task(quick_);
  }
}

void Engine::run_task(Tasks& tasks) {
  std::shared_ptr<Task> task;
  {
    const std::lock_guard lock(mutex_);
    if (tasks.empty()) return;
    task = std::move(tasks.front());
    tasks.pop_front();
  }
  try {
    if (std::chrono::steady_clock::now() > task->deadline)
      throw ApiError(504, "server_error", "the request took too long");
    task->run();
  } catch (...) {
    task->error = std::current_exception();
  }
  task->run = {};
  const std::lock_guard lock(mutex_);
  task->finished = true;
  finished_.notify_all();
}

// The first waiting request and, if it is greedy, the others that can run with it.
Engine::Jobs Engine::next_jobs() {
  const std::lock_guard lock(mutex_);
  Jobs jobs;
  if (waiting_.empty()) return jobs;
  jobs.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  const auto& first = jobs.front()->request;
  for (auto job = waiting_.begin(); job != waiting_.end() && jobs.size() < options_.max_batch &&
                                    first.generation.temperature == 0;)
    if ((*job)->request.model == first.model && (*job)->request.generation.temperature == 0) {
      jobs.push_back(std::move(*job));
      job = waiting_.erase(job);
    } else {
      ++job;
    }
  ++counts_.batches;
  counts_.running = static_cast<int64_t>(jobs.size());
  return jobs;
}

void Engine::work() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [&] {
        return stopping_ || !waiting_.empty() || !quick_.empty() || !lengthy_.empty();
      });
      if (stopping_) break;
    }
    serve_batch();
    run_task(quick_);
    run_task(lengthy_);
  }
  stop_waiting();
}

void Engine::stop_waiting() {
  const std::lock_guard lock(mutex_);
  for (auto& job : waiting_) {
    job->fail(503, "the server is stopping");
    job->finished = true;
    ++counts_.requests;
    ++counts_.failed;
  }
  waiting_.clear();
  for (auto* tasks : {&quick_, &lengthy_}) {
    for (auto& task : *tasks) {
      task->error =
          std::make_exception_ptr(ApiError(503, "server_error", "the server is stopping"));
      task->finished = true;
    }
    tasks->clear();
  }
  finished_.notify_all();
}

// Runs the next batch of chat requests, if any wait.
void Engine::serve_batch() {
  const auto jobs = next_jobs();
  if (jobs.empty()) return;
  serve(jobs);
  {
    const std::lock_guard lock(mutex_);
    counts_.running = 0;
  }
  for (const auto& job : jobs) finish(job);
}

void Engine::serve(const Jobs& jobs) {
  try {
    run(jobs);
  } catch (const ApiError& error) {
    for (auto& job : jobs) job->fail(error);
  } catch (const Error& error) {
    logger().error("the model failed: {}", error.what());
    for (auto& job : jobs) job->fail(500, without_places(error.what()));
  } catch (const std::exception& error) {
    logger().error("the model failed: {}", error.what());
    for (auto& job : jobs) job->fail(500, "the model failed; the server's log has the reason");
  }
}

void Engine::run(const Jobs& jobs) {
  std::vector<Query> queries;
  auto options = jobs.front()->request.generation;
  for (const auto& job : jobs) {
    queries.push_back(job->request.query);
    options.max_new_tokens =
        std::max(options.max_new_tokens, job->request.generation.max_new_tokens);
  }
  const auto interventions = jobs.front()->stack->interventions(vlm_, &store_);
  Batch batch;
  Pass pass;
  try {
    batch = request_batch(vlm_, queries, interventions);
    pass = forward_until(vlm_, batch, vlm_.model->first_stage(Module::language), interventions,
                         &store_, PadSide::left);
  } catch (const Error& error) {  // such as a prompt that is too long
    if (jobs.size() == 1) refuse_request("messages", without_places(error.what()));
    for (const auto& job : jobs) serve({job});  // a bad prompt does not fail the other requests
    return;
  }
  for (size_t i = 0; i < jobs.size(); ++i)
    jobs[i]->answer.prompt_tokens = static_cast<int64_t>(batch.rows[i].ids.size());
  options.on_tokens = [&](int64_t row, const std::vector<int64_t>& tokens) {
    return jobs[static_cast<size_t>(row)]->advance(vlm_.processor, tokens, false);
  };
  const auto rows = generate_rows(*vlm_.model, std::move(pass), vlm_.processor.stop_tokens,
                                  interventions, with_folder_settings(options, vlm_, batch));
  for (size_t i = 0; i < jobs.size(); ++i) {
    auto& job = *jobs[i];
    job.advance(vlm_.processor, rows[i].tokens, true);
    job.answer.text = job.stream.text();
    // A row that was cancelled without a stop text reached the limit of its request.
    job.answer.complete = job.stream.stopped() || rows[i].finish_reason == FinishReason::stop;
  }
}

}  // namespace emend
