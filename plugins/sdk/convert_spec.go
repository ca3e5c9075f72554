package sdk

import (
	"log/slog"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

func specTo(s Spec) *pb.Spec {
	return &pb.Spec{
		Name: s.Name, Version: s.Version, Title: s.Title, Description: s.Description,
		Kinds: text[string](s.Kinds), ConfigSchemaJson: s.ConfigSchema, Capabilities: text[string](s.Capabilities),
		Channels: s.Channels,
		Limits: &pb.Limits{
			BatchItems: int64(s.Limits.BatchItems), BatchBytes: int64(s.Limits.BatchBytes),
			Concurrency: int64(s.Limits.Concurrency), MemoryMib: int64(s.Limits.MemoryMiB),
		},
		Hosts: s.Hosts, Categories: s.Categories,
		Processor: &pb.Processor{Name: s.Processor.Name, Country: s.Processor.Country, Url: s.Processor.URL},
		Oauth:     s.OAuth, Webhooks: s.Webhooks,
	}
}

func specFrom(s *pb.Spec) Spec {
	if s == nil {
		return Spec{}
	}
	return Spec{
		Name: s.Name, Version: s.Version, Title: s.Title, Description: s.Description,
		Kinds: text[Kind](s.Kinds), ConfigSchema: s.ConfigSchemaJson, Capabilities: text[Capability](s.Capabilities),
		Channels: s.Channels,
		Limits: Limits{
			BatchItems: int(s.Limits.GetBatchItems()), BatchBytes: int(s.Limits.GetBatchBytes()),
			Concurrency: int(s.Limits.GetConcurrency()), MemoryMiB: int(s.Limits.GetMemoryMib()),
		},
		Hosts: s.Hosts, Categories: s.Categories,
		Processor: Processor{
			Name: s.Processor.GetName(), Country: s.Processor.GetCountry(), URL: s.Processor.GetUrl(),
		},
		OAuth: s.Oauth, Webhooks: s.Webhooks,
	}
}

func storedTo(s Stored) *pb.Stored {
	return &pb.Stored{Version: s.Version, ConfigJson: s.Config, Cursors: s.Cursors}
}

func storedFrom(s *pb.Stored) Stored {
	return Stored{Version: s.GetVersion(), Config: s.GetConfigJson(), Cursors: s.GetCursors()}
}

func authorizeTo(a AuthorizeRequest) *pb.AuthorizeURLRequest {
	return &pb.AuthorizeURLRequest{RedirectUrl: a.RedirectURL, State: a.State, Challenge: a.Challenge}
}

func authorizeFrom(a *pb.AuthorizeURLRequest) AuthorizeRequest {
	return AuthorizeRequest{RedirectURL: a.RedirectUrl, State: a.State, Challenge: a.Challenge}
}

func grantTo(g Grant) *pb.ExchangeRequest {
	return &pb.ExchangeRequest{Code: g.Code, RedirectUrl: g.RedirectURL, Verifier: g.Verifier}
}

func grantFrom(g *pb.ExchangeRequest) Grant {
	return Grant{Code: g.Code, RedirectURL: g.RedirectUrl, Verifier: g.Verifier}
}

func logTo(r slog.Record, attributes map[string]any) *pb.LogRecord {
	c := &converter{}
	return &pb.LogRecord{At: moment(r.Time), Level: int32(r.Level), Message: r.Message, AttributesJson: c.object(attributes)}
}

func logFrom(l *pb.LogRecord) slog.Record {
	r := slog.NewRecord(instant(l.At), slog.Level(l.Level), l.Message, 0)
	c := &converter{}
	r.AddAttrs(attrs(c.values(l.AttributesJson))...)
	return r
}
