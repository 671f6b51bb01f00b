#pragma once

#include "editing/tracing/trace.h"
#include "serving/api/orders/work_order.h"

namespace emend {

// A causal trace that a client asks for.
class TraceOrder {
 public:
  // Checks the body of POST /api/trace. Throws ApiError.
  TraceOrder(const WorkContext& context, nlohmann::json body);

  const nlohmann::json& body() const { return body_; }
  std::string title() const;

  // trace.json of `emend trace` with "svg" (a heat map for each corruption), "overlay" (the tinted
  // picture as a data URL, or null) and "command". Throws emend::Error as trace() does.
  nlohmann::json run(JobProgress& progress) const;

 private:
  std::string command(const std::vector<std::string>& patches) const;

  WorkContext context_;
  nlohmann::json body_;
  TraceQuery query_;
  TraceOptions options_;
  std::vector<std::string> settings_;
  std::string target_;
  std::optional<std::vector<std::string>> patches_;
};

}  // namespace emend
