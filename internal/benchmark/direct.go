package benchmark

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
)

// Direct returns a Send that decodes a body and hands it to the pipeline in this
// process: the HTTP server's work without HTTP.
func Direct(p *ingest.Pipeline, workspace, source string) Send {
	return func(ctx context.Context, body []byte, n int) error {
		batch, cerr := event.DecodeBatch(append([]byte(nil), body...), time.Now())
		if cerr != nil {
			return cerr
		}
		results, err := p.Ingest(ctx, workspace, source, batch.Inputs)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Status != event.Accepted {
				return fmt.Errorf("an event was %s: %w", r.Status, r.Err)
			}
		}
		if len(results) != n {
			return fmt.Errorf("%d results for %d events", len(results), n)
		}
		return nil
	}
}
