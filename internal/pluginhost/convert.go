package pluginhost

import (
	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Types of the SDK and of the port that have the same fields are converted as a whole, so
// that the compiler finds one that is missing; for the others a test does.

func list[A, B any](in []A, f func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

func words[A, B ~string](in []A) []B { return list(in, func(a A) B { return B(a) }) }

func rateOf(r sdk.RateHint) sync.RateHint { return sync.RateHint(r) }

func connectorOf(s *sdk.Spec, e install.Entry) sync.Connector {
	return sync.Connector{
		Name: s.Name, Version: s.Version, Title: s.Title, Description: s.Description, Protocol: sdk.ProtocolVersion, Kinds: words[sdk.Kind, string](s.Kinds),
		ConfigSchema: s.ConfigSchema, Capabilities: words[sdk.Capability, string](s.Capabilities), Channels: s.Channels,
		Limits: sync.Limits{BatchItems: s.Limits.BatchItems, BatchBytes: s.Limits.BatchBytes, Concurrency: s.Limits.Concurrency},
		Hosts:  s.Hosts, Categories: words[string, core.Category](s.Categories), Processor: sync.Vendor(s.Processor), OAuth: s.OAuth, Webhooks: s.Webhooks,
		SHA256: e.Binary, SignedBy: e.Signer,
	}
}

func streamOf(s sdk.Stream) sync.Stream {
	return sync.Stream{Name: s.Name, Title: s.Title, Schema: s.Schema, Modes: words[sdk.Mode, string](s.Modes), Keys: s.Keys, Person: s.Person, Relations: s.Relations}
}

func recordOf(r sdk.Record) sync.Record { return sync.Record(r) }

func eventOf(e sdk.Event) sync.Event { return sync.Event(e) }

func pageOf(p sdk.Page) sync.Page {
	return sync.Page{
		Records: list(p.Records, recordOf), Events: list(p.Events, eventOf), Cursor: p.Cursor, Total: p.Total,
		Consents: list(p.Consents, consentOf), Deliveries: list(p.Deliveries, deliveryOf), Inbound: list(p.Inbound, inboundOf),
	}
}

func itemTo(i sync.Item) sdk.Item { return sdk.Item(i) }

func batchTo(b sync.Batch) sdk.Batch {
	return sdk.Batch{Stream: b.Stream, Items: list(b.Items, itemTo), Bulk: b.Bulk}
}

func changeTo(c sync.ListChange) sdk.ListChange {
	return sdk.ListChange{List: c.List, Name: c.Name, Add: list(c.Add, itemTo), Remove: list(c.Remove, itemTo)}
}

func resultOf(r sdk.Result) sync.Result {
	return sync.Result{ID: r.ID, Outcome: string(r.Outcome), UpdatedAt: r.UpdatedAt, Fault: fromSDK(r.Fault)}
}

func listResultOf(r sdk.ListResult) sync.ListResult {
	return sync.ListResult{List: r.List, Results: list(r.Results, resultOf)}
}

func consentOf(c sdk.ConsentChange) sync.ConsentChange { return sync.ConsentChange(c) }

func inboundOf(i sdk.Inbound) sync.Inbound { return sync.Inbound(i) }

func sentOf(s sdk.Sent) sync.Sent {
	return sync.Sent{ID: s.ID, State: string(s.State), Segments: s.Segments}
}

func deliveryOf(d sdk.Delivery) sync.Delivery {
	return sync.Delivery{Event: d.Event, ID: d.ID, Key: d.Key, State: string(d.State), Reason: d.Reason, At: d.At}
}

func receivedOf(r sdk.Received) sync.Received {
	return sync.Received{
		Status: r.Status, Header: r.Header, Body: r.Body,
		Records: list(r.Records, func(s sdk.StreamRecord) sync.StreamRecord {
			return sync.StreamRecord{Key: s.Key, Stream: s.Stream, Record: recordOf(s.Record)}
		}),
		Events: list(r.Events, eventOf), Deliveries: list(r.Deliveries, deliveryOf),
		Inbound: list(r.Inbound, inboundOf), Consents: list(r.Consents, consentOf), Pull: r.Pull,
	}
}

func storedTo(s sync.Stored) sdk.Stored {
	return sdk.Stored{Version: s.Version, Config: s.Config, Cursors: s.Cursors}
}

func storedOf(s sdk.Stored) sync.Stored {
	return sync.Stored{Version: s.Version, Config: s.Config, Cursors: s.Cursors}
}
