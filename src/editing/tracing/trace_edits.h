#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/tracing/trace_result.h"

namespace emend {

// The trace that selects the layers of an edit (layers=traced, sites=traced): that of `file`, which
// `emend trace` wrote, or, without a file, the mean of the traces of the answers that the model now
// gives to the questions of the edits. Only the MLPs of `module` are restored.
TraceResult trace_edits(const Vlm& vlm, const std::vector<EditRequest>& requests,
                        const std::string& file, Module module, const EditContext& context);

}  // namespace emend
