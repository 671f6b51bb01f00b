#include "serving/api/storage/workspace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/files/writable.h"
#include "io/hash.h"
#include "io/json/json.h"
#include "io/log.h"
#include "serving/api_error.h"
#include "serving/plain_name.h"

namespace emend {
namespace fs = std::filesystem;
namespace {

constexpr const char* kWorkspacePlace = "serving::workspace";

// The plain names of the files in a folder that end with `ending`, without it, sorted. `warns`: of
// other names.
std::vector<std::string> names_in(const std::string& folder, const std::string& ending,
                                  bool warns = false) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    auto name = at->path().filename().string();
    if (!name.ends_with(ending) || !is_file(at->path())) continue;
    name.resize(name.size() - ending.size());
    if (is_plain_name(name))
      names.push_back(name);
    else if (warns)
      logger().warn("'{}' is ignored, because its name is not plain", at->path().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Workspace::Workspace(const std::string& folder, const std::string& runs) {
  make_folders(folder);
  std::error_code error;
  folder_ = fs::absolute(folder, error).lexically_normal().string();
  if (folder_.size() > 1 && folder_.ends_with('/')) folder_.pop_back();
  check_writable_folder(folder_);
  for (const char* name : {"patches", "jobs", "pictures", "exports"})
    make_folders(fs::path(folder_) / name);
  runs_ = runs.empty() ? folder_ + "/runs" : runs;
  const auto path = folder_ + "/lock";
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (lock_ >= 0) ::close(lock_);
    throw Error(kWorkspacePlace, fmt::format("another server uses the workspace '{}'", folder_),
                "stop it, or choose another folder (--workspace)");
  }
  // The names are listed several times, and the warnings are printed once.
  names_in(folder_ + "/patches", ".patch", /*warns=*/true);
  names_in(folder_ + "/jobs", ".json", /*warns=*/true);
}

Workspace::~Workspace() { ::close(lock_); }

std::string Workspace::patch_file(const std::string& name) const {
  return fmt::format("{}/patches/{}.patch", folder_, name);
}

std::string Workspace::export_path(const std::string& name) const {
  return fmt::format("{}/exports/{}", folder_, name);
}

std::vector<std::string> Workspace::patch_names() const {
  return names_in(folder_ + "/patches", ".patch");
}

std::vector<std::string> Workspace::read_stack(std::string& problem) const {
  const auto path = folder_ + "/stack.json";
  if (!path_exists(path)) return {};
  try {
    return json_get<std::vector<std::string>>(read_json(path), "stack", path);
  } catch (const Error& error) {
    auto kept = path + ".damaged";
    for (int i = 2; path_exists(kept); ++i) kept = fmt::format("{}.damaged-{}", path, i);
    std::error_code failed;
    fs::rename(path, kept, failed);
    if (failed) throw;
    problem = fmt::format(
        "The list of active patches is damaged, so that no patch is active. {} The file is kept "
        "as '{}'.",
        problem_of(error), kept);
    return {};
  }
}

void Workspace::save_stack(const std::vector<std::string>& names) const {
  write_json(folder_ + "/stack.json", {{"stack", names}});
}

std::string Workspace::save_picture(const std::string& bytes, const std::string& type) const {
  std::string ending;
  for (char c : type.substr(0, 8))
    if (std::isalnum(static_cast<unsigned char>(c))) ending += c;
  const auto path = fmt::format("{}/pictures/{}.{}", folder_, hash_hex(bytes), ending);
  if (!is_file(path)) write_file(path, bytes);
  return path;
}

void Workspace::save_job(const nlohmann::json& record) const {
  write_file(fmt::format("{}/jobs/{}.json", folder_, record.at("id").get<std::string>()),
             record.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

nlohmann::json Workspace::read_job(const std::string& id) const {
  const auto path = fmt::format("{}/jobs/{}.json", folder_, id);
  if (!is_plain_name(id) || !is_file(path)) return nullptr;
  auto record = read_json(path);
  if (!record.is_object() || json_get<std::string>(record, "id", path) != id)
    throw Error(kWorkspacePlace, fmt::format("'{}' is not the record of a job", path),
                "remove the file");
  for (const char* field : {"kind", "status", "title"}) json_get<std::string>(record, field, path);
  json_get<int64_t>(record, "created", path);
  static const std::set<std::string> known = {"waiting", "running", "done", "failed", "cancelled"};
  if (const std::string status = record["status"]; !known.count(status))
    throw Error(kWorkspacePlace,
                fmt::format("'{}' has the unknown status '{}'", path, status.substr(0, 60)),
                "remove the file");
  return record;
}

std::vector<std::string> Workspace::job_ids() const { return names_in(folder_ + "/jobs", ".json"); }

}  // namespace emend
