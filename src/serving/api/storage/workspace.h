#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// The folder in which a server keeps its work:
//
//   patches/NAME.patch     every patch
//   stack.json             {"stack": [NAME, ...]}, the active patches in order
//   stack.json.damaged     a stack that could not be read
//   jobs/ID.json           each job with its request and its result
//   pictures/HASH.png      the pictures of edits, which later edits ask about again
//   exports/NAME           the results of exports
//   runs/NAME              results of `emend bench`, which the user puts here
//
// Files are written under a temporary name and renamed. One server at a time uses a folder.
class Workspace {
 public:
  // Creates the folder if necessary. `runs`: another folder of results; empty: runs/. Throws
  // emend::Error if another server uses the folder, or if it cannot be written.
  explicit Workspace(const std::string& folder, const std::string& runs = {});
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace();

  const std::string& folder() const { return folder_; }
  const std::string& runs_folder() const { return runs_; }
  std::string patch_file(const std::string& name) const;
  std::string export_path(const std::string& name) const;

  // The names of the patches, sorted. Files with other names are ignored with a warning.
  std::vector<std::string> patch_names() const;
  // The active patches. A malformed stack.json gets the name stack.json.damaged, or
  // stack.json.damaged-2, ...; then there are no active patches, and `problem` says so.
  std::vector<std::string> read_stack(std::string& problem) const;
  void save_stack(const std::vector<std::string>& names) const;

  // Writes the file of a picture and returns its path. The same bytes have the same path.
  std::string save_picture(const std::string& bytes, const std::string& type) const;

  // A record has the field "id".
  void save_job(const nlohmann::json& record) const;
  // Null if there is no such job.
  nlohmann::json read_job(const std::string& id) const;
  // The ids of all jobs, the oldest first.
  std::vector<std::string> job_ids() const;

 private:
  std::string folder_, runs_;
  int lock_ = -1;
};

}  // namespace emend
