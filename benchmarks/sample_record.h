#pragma once

#include "editing/editor.h"
#include "evaluation/measuring/measure.h"

namespace emend::bench {

// A record as E-VQA has them: an edit with its five probes and three distinct pictures (the edit's,
// another of the same thing, an unrelated one), drawn in `pixels` a side, with texts as long as the
// dataset's.
Record sample_record(int pixels);

// mmedit-2024, teacher-forced only, since the field's code generates nothing.
Protocol sample_protocol();

// What the protocol asks an editor for.
EditRequest request_of(const Record& record, const Protocol& protocol);

}  // namespace emend::bench
