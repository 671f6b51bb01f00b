#pragma once

#include "exports/export.h"
#include "serving/api/orders/work_order.h"

namespace emend {

// An export that a client asks for.
class ExportOrder {
 public:
  // Checks the body of POST /api/exports. Throws ApiError.
  ExportOrder(const WorkContext& context, nlohmann::json body);

  const nlohmann::json& body() const { return body_; }
  std::string title() const;

  // Writes into the exports of the workspace. Returns {"path", "files", "facts", "command"}. Throws
  // emend::Error as export_stack and merged do.
  nlohmann::json run(JobProgress& progress) const;

 private:
  std::string command(const std::vector<std::string>& patches) const;

  WorkContext context_;
  nlohmann::json body_;
  ExportOptions options_;
  std::optional<std::vector<std::string>> patches_;
  std::string name_, output_;
};

}  // namespace emend
