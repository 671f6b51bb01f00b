#pragma once

#include "editing/settings/editor_choice.h"
#include "evaluation/edits/edit_question.h"
#include "serving/api/orders/work_order.h"

namespace emend {

// An edit that a client asks for.
class EditOrder {
 public:
  // Checks the body of POST /api/edits. Throws ApiError.
  EditOrder(const WorkContext& context, nlohmann::json body);
  // Reserves the name of the patch, which the library releases. Throws ApiError as it does.
  void reserve_name();

  const std::string& name() const { return name_; }     // of the patch; empty: not chosen yet
  const nlohmann::json& body() const { return body_; }  // without the bytes of pictures
  std::string title() const;
  // The command that makes the edit on the patches that are chosen now.
  std::string command() const;

  // Makes the edit, saves the patch, and activates it if it holds. Returns {"patch", "holds",
  // "active", "report", "warnings", "command"}. Throws emend::Error if the edit cannot be made.
  nlohmann::json run(JobProgress& progress) const;

 private:
  void take_questions();
  std::string command(const std::string& name, const std::vector<std::string>& patches) const;

  WorkContext context_;
  nlohmann::json body_;
  EditQuestion question_;
  EditorChoice choice_;
  std::unique_ptr<Editor> editor_;
  std::vector<std::string> warnings_;  // settings that have no effect next to others
  int probes_ = 10;
  std::optional<std::vector<std::string>> patches_;
  std::string name_;
};

}  // namespace emend
