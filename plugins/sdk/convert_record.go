package sdk

import pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"

func streamTo(s Stream) *pb.Stream {
	return &pb.Stream{
		Name: s.Name, Title: s.Title, SchemaJson: s.Schema, Modes: text[string](s.Modes), Keys: s.Keys,
		Person: s.Person, Relations: s.Relations,
	}
}

func streamFrom(s *pb.Stream) Stream {
	return Stream{
		Name: s.Name, Title: s.Title, Schema: s.SchemaJson, Modes: text[Mode](s.Modes), Keys: s.Keys,
		Person: s.Person, Relations: s.Relations,
	}
}

func (c *converter) record(r Record) *pb.Record {
	return &pb.Record{
		Id: r.ID, FieldsJson: c.object(r.Fields), Deleted: r.Deleted, Merged: r.Merged, UpdatedAt: moment(r.UpdatedAt),
	}
}

func (c *converter) recordFrom(r *pb.Record) Record {
	return Record{
		ID: r.GetId(), Fields: c.values(r.GetFieldsJson()), Deleted: r.GetDeleted(), Merged: r.GetMerged(),
		UpdatedAt: instant(r.GetUpdatedAt()),
	}
}

func (c *converter) event(e Event) *pb.Event {
	return &pb.Event{
		Key: e.Key, Name: e.Name, At: moment(e.At), Ids: e.IDs, Identifiers: e.Identifiers,
		PropertiesJson: c.object(e.Properties),
	}
}

func (c *converter) eventFrom(e *pb.Event) Event {
	return Event{
		Key: e.Key, Name: e.Name, At: instant(e.At), IDs: e.Ids, Identifiers: e.Identifiers,
		Properties: c.values(e.PropertiesJson),
	}
}

func pullTo(p PullRequest) *pb.PullRequest {
	return &pb.PullRequest{Stream: p.Stream, Cursor: p.Cursor, Fields: p.Fields, Since: moment(p.Since)}
}

func pullFrom(p *pb.PullRequest) PullRequest {
	return PullRequest{Stream: p.Stream, Cursor: p.Cursor, Fields: p.Fields, Since: instant(p.Since)}
}

func (c *converter) page(p Page) *pb.PullResponse {
	return &pb.PullResponse{
		Records: list(p.Records, c.record), Events: list(p.Events, c.event), Cursor: p.Cursor, Total: p.Total,
		Consents: list(p.Consents, consentTo), Deliveries: list(p.Deliveries, deliveryTo), Inbound: list(p.Inbound, inboundTo),
	}
}

func (c *converter) pageFrom(p *pb.PullResponse) Page {
	return Page{
		Records: list(p.Records, c.recordFrom), Events: list(p.Events, c.eventFrom), Cursor: p.Cursor, Total: p.Total,
		Consents: list(p.Consents, consentFrom), Deliveries: list(p.Deliveries, deliveryFrom), Inbound: list(p.Inbound, inboundFrom),
	}
}

func webhookTo(w Webhook) *pb.ReceiveRequest {
	return &pb.ReceiveRequest{Method: w.Method, Url: w.URL, Header: header(w.Header), Body: w.Body, At: moment(w.At)}
}

func webhookFrom(w *pb.ReceiveRequest) Webhook {
	return Webhook{Method: w.Method, URL: w.Url, Header: headerFrom(w.Header), Body: w.Body, At: instant(w.At)}
}

func (c *converter) received(r Received) *pb.ReceiveResponse {
	return &pb.ReceiveResponse{
		Status: int64(r.Status), Header: header(r.Header), Body: r.Body,
		Records: list(r.Records, c.streamRecord), Events: list(r.Events, c.event),
		Deliveries: list(r.Deliveries, deliveryTo), Inbound: list(r.Inbound, inboundTo),
		Consents: list(r.Consents, consentTo), Pull: r.Pull,
	}
}

func (c *converter) receivedFrom(r *pb.ReceiveResponse) Received {
	return Received{
		Status: int(r.Status), Header: headerFrom(r.Header), Body: r.Body,
		Records: list(r.Records, c.streamRecordFrom), Events: list(r.Events, c.eventFrom),
		Deliveries: list(r.Deliveries, deliveryFrom), Inbound: list(r.Inbound, inboundFrom),
		Consents: list(r.Consents, consentFrom), Pull: r.Pull,
	}
}

func (c *converter) streamRecord(r StreamRecord) *pb.StreamRecord {
	return &pb.StreamRecord{Key: r.Key, Stream: r.Stream, Record: c.record(r.Record)}
}

func (c *converter) streamRecordFrom(r *pb.StreamRecord) StreamRecord {
	return StreamRecord{Key: r.Key, Stream: r.Stream, Record: c.recordFrom(r.Record)}
}
