#include "serving/api/job_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "io/error.h"
#include "io/log.h"
#include "serving/api_error.h"

namespace emend {
namespace {

constexpr size_t kMostListed = 100;
constexpr size_t kMostWaitingJobs = 64;
constexpr const char* kStopped = "the server was stopped";

// Ends a job that was cancelled. It is no std::exception, so that nothing else catches it.
struct JobCancelled {};

nlohmann::json empty_progress() {
  return {{"part", nullptr}, {"step", nullptr}, {"steps", nullptr}, {"loss", nullptr}};
}

}  // namespace

struct JobTable::Job {
  std::string id, kind, title;
  std::string status = "waiting";
  int64_t created = static_cast<int64_t>(std::time(nullptr));
  std::chrono::steady_clock::time_point begin = {};
  double seconds = 0;  // of an ended job
  nlohmann::json progress = empty_progress();
  std::string error = {};
  nlohmann::json request, result = nullptr;
  Work work = {};
  std::function<void()> on_end = {};
  std::atomic<bool> cancelled = false;
  uint64_t version = 1;

  nlohmann::json json(bool whole) const {
    nlohmann::json object = {{"id", id},         {"kind", kind},       {"title", title},
                             {"status", status}, {"created", created}, {"seconds", seconds}};
    if (status == "running")
      object["seconds"] =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    object.update(progress);
    if (kind == "edit" && request.is_object()) object["editor"] = request.value("editor", "ft");
    if (!error.empty()) object["error"] = error;
    if (!whole) return object;
    object["request"] = request;
    object["result"] = result;
    return object;
  }
};

class JobTable::Progress : public JobProgress {
 public:
  Progress(JobTable& table, Job& job) : table_(table), job_(job) {}

  void part(const std::string& name) override {
    auto progress = empty_progress();
    progress["part"] = name;
    take(std::move(progress));
  }
  void step(int64_t step, int64_t steps, std::optional<double> loss) override {
    auto progress = empty_progress();
    progress["part"] = job_.progress["part"];
    progress["step"] = step;
    progress["steps"] = steps > 0 ? nlohmann::json(steps) : nlohmann::json();
    if (loss) progress["loss"] = *loss;
    take(std::move(progress));
  }

 private:
  void take(nlohmann::json progress) {
    {
      const std::lock_guard lock(table_.mutex_);
      job_.progress = std::move(progress);
      ++job_.version;
    }
    table_.changed_.notify_all();
    check();
    table_.engine_.serve_waiting();
    check();
  }
  void check() const {
    if (job_.cancelled || table_.stopping_) throw JobCancelled();
  }

  JobTable& table_;
  Job& job_;
};

JobTable::JobTable(Engine& engine, const Workspace* workspace)
    : engine_(engine), workspace_(workspace) {
  read_records();
  thread_ = std::thread([this] { work(); });
}

JobTable::~JobTable() {
  stop();
  thread_.join();
}

void JobTable::read_records() {
  if (!workspace_) return;
  const auto ids = workspace_->job_ids();
  for (const auto& id : ids)
    if (id.find_first_not_of("0123456789") == std::string::npos && id.size() <= 12)
      last_ = std::max(last_, static_cast<int64_t>(std::stoll(id)));
  for (auto at = ids.rbegin(); at != ids.rend() && jobs_.size() < kMostListed; ++at) {
    try {
      const auto record = workspace_->read_job(*at);
      auto job = std::make_shared<Job>();
      job->id = *at;
      job->kind = record["kind"];
      job->title = record["title"];
      job->status = record["status"];
      job->created = record["created"];
      for (const auto& [name, value] : job->progress.items())
        if (record.contains(name)) job->progress[name] = record[name];
      if (record.contains("seconds") && record["seconds"].is_number())
        job->seconds = record["seconds"];
      if (record.contains("error") && record["error"].is_string()) job->error = record["error"];
      if (record.contains("request")) job->request = record["request"];
      if (record.contains("result")) job->result = record["result"];
      if (job->status == "waiting" || job->status == "running") {
        job->status = "failed";
        job->error = kStopped;
        save(job->json(/*whole=*/true));
      }
      jobs_.push_front(std::move(job));
    } catch (const Error& error) {
      logger().warn("a job is not listed: {}", without_places(error.what()));
    }
  }
}

void JobTable::save(const nlohmann::json& record) const {
  if (!workspace_) return;
  try {
    workspace_->save_job(record);
  } catch (const Error& error) {
    logger().error("the record of a job was not written: {}", without_places(error.what()));
  }
}

std::string JobTable::submit(const std::string& kind, const std::string& title,
                             nlohmann::json request, Work work, std::function<void()> on_end) {
  auto job = std::make_shared<Job>();
  job->kind = kind;
  job->title = title;
  job->request = std::move(request);
  job->work = std::move(work);
  job->on_end = std::move(on_end);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= kMostWaitingJobs)
      refuse_busy(stopping_, "jobs");
    job->id = fmt::format("{:06}", ++last_);
    save(job->json(/*whole=*/true));
    jobs_.push_back(job);
    waiting_.push_back(job);
    forget_oldest();
  }
  changed_.notify_all();
  return job->id;
}

// Ended jobs stay in the workspace.
void JobTable::forget_oldest() {
  while (jobs_.size() > kMostListed) {
    const auto ended = std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) {
      return job->status != "waiting" && job->status != "running";
    });
    if (ended == jobs_.end()) return;
    jobs_.erase(ended);
  }
}

nlohmann::json JobTable::list() const {
  const std::lock_guard lock(mutex_);
  auto all = nlohmann::json::array();
  for (auto job = jobs_.rbegin(); job != jobs_.rend() && all.size() < kMostListed; ++job)
    all.push_back((*job)->json(/*whole=*/false));
  return all;
}

std::shared_ptr<JobTable::Job> JobTable::find(const std::string& id) const {
  const auto found =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->id == id; });
  return found == jobs_.end() ? nullptr : *found;
}

nlohmann::json JobTable::get(const std::string& id) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto job = find(id)) return job->json(/*whole=*/true);
  }
  auto record = workspace_ ? workspace_->read_job(id) : nlohmann::json();
  if (record.is_null())
    throw ApiError(404, "not_found_error", fmt::format("there is no job '{}'", id.substr(0, 100)));
  return record;
}

void JobTable::cancel(const std::string& id) {
  std::shared_ptr<Job> job;
  bool waits = false;
  {
    const std::lock_guard lock(mutex_);
    job = find(id);
    if (job) {
      if (job->status == "running") {
        job->cancelled = true;
        return;
      }
      waits = std::erase(waiting_, job) > 0;
    }
  }
  if (!job) get(id);  // throws if the job never existed
  if (!waits) throw ApiError(409, "conflict_error", fmt::format("the job '{}' has ended", id));
  end(job, "cancelled", {});
}

void JobTable::stop() {
  std::deque<std::shared_ptr<Job>> waiting;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting.swap(waiting_);
  }
  changed_.notify_all();
  for (const auto& job : waiting) end(job, "failed", kStopped);
}

JobTable::Change JobTable::wait(const std::string& id, uint64_t seen,
                                std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  const auto job = find(id);
  if (!job) {
    lock.unlock();
    return {seen + 1, get(id)["status"], empty_progress()};
  }
  changed_.wait_for(lock, time, [&] { return job->version != seen; });
  return {job->version, job->status, job->progress};
}

void JobTable::work() {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
      job->status = "running";
      job->begin = std::chrono::steady_clock::now();
      ++job->version;
    }
    changed_.notify_all();
    run(job);
  }
}

void JobTable::run(const std::shared_ptr<Job>& job) {
  nlohmann::json record, result;
  {
    const std::lock_guard lock(mutex_);
    record = job->json(/*whole=*/true);
  }
  save(record);
  std::string status = "failed", error;
  try {
    Progress progress(*this, *job);
    engine_.perform([&] { result = job->work(progress); }, Engine::TaskLength::lengthy);
    status = "done";
  } catch (const JobCancelled&) {
    if (job->cancelled)
      status = "cancelled";
    else
      error = kStopped;
  } catch (const ApiError& failure) {
    error = failure.what();
  } catch (const Error& failure) {
    error = without_places(failure.what());
  } catch (const std::exception& failure) {
    logger().error("job {}: {}", job->id, failure.what());
    error = "the job failed; the server's log has the reason";
  }
  {
    const std::lock_guard lock(mutex_);
    job->result = std::move(result);
  }
  end(job, status, error);
}

// The record is written before the job is listed as ended.
void JobTable::end(const std::shared_ptr<Job>& job, const std::string& status,
                   const std::string& error) {
  if (job->on_end) job->on_end();
  const auto seconds =
      job->begin == std::chrono::steady_clock::time_point()
          ? 0
          : std::chrono::duration<double>(std::chrono::steady_clock::now() - job->begin).count();
  nlohmann::json record;
  {
    const std::lock_guard lock(mutex_);
    record = job->json(/*whole=*/true);
  }
  record["status"] = status;
  record["seconds"] = seconds;
  if (!error.empty()) record["error"] = error;
  save(record);
  {
    const std::lock_guard lock(mutex_);
    job->status = status;
    job->error = error;
    job->seconds = seconds;
    job->work = {};
    job->on_end = {};
    ++job->version;
  }
  changed_.notify_all();
}

}  // namespace emend
