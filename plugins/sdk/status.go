package sdk

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// longestText bounds what a fault may say, in bytes.
const longestText = 2048

// statusCodes are for readers of the wire; a host goes by the Fault within.
var statusCodes = map[FaultKind]codes.Code{
	FaultRetry:          codes.Unavailable,
	FaultQuota:          codes.ResourceExhausted,
	FaultInvalidConfig:  codes.InvalidArgument,
	FaultInvalidRecord:  codes.InvalidArgument,
	FaultUnauthorized:   codes.PermissionDenied,
	FaultCursorLost:     codes.OutOfRange,
	FaultSchemaChanged:  codes.FailedPrecondition,
	FaultRecordGone:     codes.NotFound,
	FaultUnknownOutcome: codes.Unknown,
	FaultStale:          codes.FailedPrecondition,
	FaultUnsupported:    codes.Unimplemented,
	FaultInternal:       codes.Internal,
}

// toStatus is a fault as the error of a gRPC call, with what the vendor said of its limits.
func toStatus(f *Fault, hint *RateHint) error {
	code, ok := statusCodes[f.Kind]
	if !ok {
		code = codes.Unknown
	}
	st, err := status.New(code, f.Message).WithDetails(fault(f))
	if err != nil {
		return status.Error(codes.Internal, "the fault cannot be told")
	}
	if hint != nil {
		if more, err := st.WithDetails(rate(hint)); err == nil {
			st = more
		}
	}
	return st.Err()
}

// fromStatus is what a call's error means to a host. writes tells a call of which nobody
// knows what it did when the answer is lost.
func fromStatus(ctx context.Context, err error, writes bool) error {
	if err == nil {
		return nil
	}
	st, _ := status.FromError(err)
	var told *Fault
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *pb.Fault:
			told = faultFrom(d)
		case *pb.RateHint:
			ReportRate(ctx, *rateFrom(d))
		}
	}
	if told != nil {
		return told
	}
	f := transportFault(st.Code())
	// The caller's own reason goes before what the wire makes of it.
	f.cause = ctx.Err()
	if f.cause == nil && st.Code() == codes.DeadlineExceeded {
		f.cause = context.DeadlineExceeded
	}
	if writes && f.Kind != FaultUnsupported && !strings.Contains(st.Message(), "trying to send message larger") {
		f.Kind = FaultUnknownOutcome
	}
	return f
}

// transportFault is for a call that the connector itself did not answer.
func transportFault(code codes.Code) *Fault {
	f := &Fault{Kind: FaultInternal, Origin: FromConnector}
	switch code {
	case codes.Unimplemented:
		f.Kind, f.Reason, f.Message = FaultUnsupported, "NOT_IMPLEMENTED", "the connector does not serve this method"
	case codes.DeadlineExceeded:
		f.Reason, f.Message = "DEADLINE", "the connector did not answer in time"
	case codes.Canceled:
		f.Origin, f.Reason, f.Message = FromHost, "CANCELLED", "the call was cancelled"
	case codes.ResourceExhausted:
		f.Reason, f.Message = "MESSAGE_TOO_LARGE", "a message of more than 16 MiB: use smaller pages and batches"
	case codes.Unavailable:
		f.Reason, f.Message = "PROCESS_GONE", "the connector's process ended or does not answer"
	default:
		f.Reason, f.Message = "NO_FAULT", "the connector failed without saying why; its log may say more"
	}
	return f
}

// Unwrap returns the context's error for a call that a deadline or a cancellation ended.
func (f *Fault) Unwrap() error {
	if f.cause == nil {
		return nil
	}
	return f.cause
}

// faultOf is the fault of an error that an author's method returned; ok is false when it
// is none and therefore must not be shown.
func faultOf(err error) (f *Fault, ok bool) {
	var told *Fault
	if errors.As(err, &told) && told != nil {
		return told, true
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &Fault{Kind: FaultInternal, Origin: FromHost, Reason: "CANCELLED", Message: "the call was cancelled"}, true
	case errors.Is(err, context.DeadlineExceeded):
		return &Fault{Kind: FaultRetry, Origin: FromVendor, Reason: "DEADLINE",
			Message: "the vendor did not answer in time"}, true
	}
	return AsFault(err), false
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= longestText {
		return s
	}
	return strings.ToValidUTF8(s[:longestText], "") + "…"
}
