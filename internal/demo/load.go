package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// chunk is how many messages are sent at a time.
const chunk = 1000

// Load sends messages through the pipeline, telling progress after each chunk.
// What is there already changes nothing, so a load that was cut off is repeated.
func Load(ctx context.Context, to event.Committer, workspace, source string, messages []json.RawMessage, now time.Time, progress func(done, total int64)) error {
	for begin := 0; begin < len(messages); begin += chunk {
		part := messages[begin:min(begin+chunk, len(messages))]
		inputs := make([]event.Input, len(part))
		for i, m := range part {
			inputs[i] = event.DecodeMessage(m, event.Defaults{ReceivedAt: now})
		}
		results, err := to.Ingest(ctx, workspace, source, inputs)
		if err != nil {
			return fmt.Errorf("load demo history: %w", err)
		}
		for _, r := range results {
			if r.Err != nil {
				return core.Errorf(core.Internal, "DEMO_REFUSED", "the pipeline refused a message of the demo").Wrap(r.Err)
			}
		}
		progress(int64(begin+len(part)), int64(len(messages)))
	}
	return nil
}
