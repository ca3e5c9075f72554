package sdk

import pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"

func (c *converter) item(i Item) *pb.Item {
	return &pb.Item{Key: i.Key, Id: i.ID, Match: i.Match, FieldsJson: c.object(i.Fields), Delete: i.Delete}
}

func (c *converter) itemFrom(i *pb.Item) Item {
	return Item{Key: i.Key, ID: i.Id, Match: i.Match, Fields: c.values(i.FieldsJson), Delete: i.Delete}
}

func (c *converter) batch(b Batch) *pb.UpsertRequest {
	return &pb.UpsertRequest{Stream: b.Stream, Items: list(b.Items, c.item), Bulk: b.Bulk}
}

func (c *converter) batchFrom(b *pb.UpsertRequest) Batch {
	return Batch{Stream: b.Stream, Items: list(b.Items, c.itemFrom), Bulk: b.Bulk}
}

func resultTo(r Result) *pb.Result {
	return &pb.Result{Id: r.ID, Outcome: string(r.Outcome), UpdatedAt: moment(r.UpdatedAt), Fault: fault(r.Fault)}
}

func resultFrom(r *pb.Result) Result {
	return Result{ID: r.Id, Outcome: Outcome(r.Outcome), UpdatedAt: instant(r.UpdatedAt), Fault: faultFrom(r.Fault)}
}

func (c *converter) change(l ListChange) *pb.MembersRequest {
	return &pb.MembersRequest{List: l.List, Name: l.Name, Add: list(l.Add, c.item), Remove: list(l.Remove, c.item)}
}

func (c *converter) changeFrom(l *pb.MembersRequest) ListChange {
	return ListChange{List: l.List, Name: l.Name, Add: list(l.Add, c.itemFrom), Remove: list(l.Remove, c.itemFrom)}
}

func membersTo(l ListResult) *pb.MembersResponse {
	return &pb.MembersResponse{List: l.List, Results: list(l.Results, resultTo)}
}

func membersFrom(l *pb.MembersResponse) ListResult {
	return ListResult{List: l.List, Results: list(l.Results, resultFrom)}
}

func consentTo(c ConsentChange) *pb.ConsentChange {
	return &pb.ConsentChange{
		Key: c.Key, Identifiers: c.Identifiers, Channel: c.Channel, Granted: c.Granted, Fresh: c.Fresh,
		At: moment(c.At), Source: c.Source, List: c.List, Reason: c.Reason,
	}
}

func consentFrom(c *pb.ConsentChange) ConsentChange {
	return ConsentChange{
		Key: c.Key, Identifiers: c.Identifiers, Channel: c.Channel, Granted: c.Granted, Fresh: c.Fresh,
		At: instant(c.At), Source: c.Source, List: c.List, Reason: c.Reason,
	}
}

func subjectTo(s Subject) *pb.EraseRequest {
	return &pb.EraseRequest{Key: s.Key, Ids: s.IDs, Identifiers: s.Identifiers}
}

func subjectFrom(s *pb.EraseRequest) Subject {
	return Subject{Key: s.Key, IDs: s.Ids, Identifiers: s.Identifiers}
}

func receiptTo(r EraseReceipt) *pb.EraseResponse {
	return &pb.EraseResponse{
		Done: r.Done, Known: r.Known, Ref: r.Ref, Retry: span(r.Retry), Detail: r.Detail, Erased: moment(r.Erased),
	}
}

func receiptFrom(r *pb.EraseResponse) EraseReceipt {
	return EraseReceipt{
		Done: r.Done, Known: r.Known, Ref: r.Ref, Retry: r.Retry.AsDuration(), Detail: r.Detail, Erased: instant(r.Erased),
	}
}

func messageTo(m Message) *pb.SendRequest {
	return &pb.SendRequest{
		Key: m.Key, Channel: m.Channel, To: m.To, From: m.From, ReplyTo: m.ReplyTo, Subject: m.Subject,
		Html: m.HTML, Text: m.Text, Headers: m.Headers, Media: m.Media, CallbackUrl: m.CallbackURL, Tags: m.Tags,
	}
}

func messageFrom(m *pb.SendRequest) Message {
	return Message{
		Key: m.Key, Channel: m.Channel, To: m.To, From: m.From, ReplyTo: m.ReplyTo, Subject: m.Subject,
		HTML: m.Html, Text: m.Text, Headers: m.Headers, Media: m.Media, CallbackURL: m.CallbackUrl, Tags: m.Tags,
	}
}

func sentTo(s Sent) *pb.SendResponse {
	return &pb.SendResponse{Id: s.ID, State: string(s.State), Segments: int64(s.Segments)}
}

func sentFrom(s *pb.SendResponse) Sent {
	return Sent{ID: s.Id, State: DeliveryState(s.State), Segments: int(s.Segments)}
}

func queryTo(q StatusQuery) *pb.StatusRequest { return &pb.StatusRequest{Id: q.ID, Key: q.Key} }

func queryFrom(q *pb.StatusRequest) StatusQuery { return StatusQuery{ID: q.Id, Key: q.Key} }

func deliveryTo(d Delivery) *pb.Delivery {
	return &pb.Delivery{
		Event: d.Event, Id: d.ID, Key: d.Key, State: string(d.State), Reason: d.Reason, At: moment(d.At),
	}
}

func deliveryFrom(d *pb.Delivery) Delivery {
	return Delivery{
		Event: d.GetEvent(), ID: d.GetId(), Key: d.GetKey(), State: DeliveryState(d.GetState()), Reason: d.GetReason(),
		At: instant(d.GetAt()),
	}
}

func inboundTo(i Inbound) *pb.Inbound {
	return &pb.Inbound{
		Id: i.ID, Channel: i.Channel, From: i.From, To: i.To, Text: i.Text, ReplyTo: i.ReplyTo, At: moment(i.At),
	}
}

func inboundFrom(i *pb.Inbound) Inbound {
	return Inbound{
		ID: i.Id, Channel: i.Channel, From: i.From, To: i.To, Text: i.Text, ReplyTo: i.ReplyTo, At: instant(i.At),
	}
}
