package event

import "github.com/headwater-cdp/headwater/core"

// The reasons for which an event is not taken. They are stable: clients and the
// quarantine's filters branch on them.
const (
	ReasonBadJSON          = "BAD_JSON"
	ReasonNotAnObject      = "NOT_AN_OBJECT"
	ReasonInvalidUTF8      = "INVALID_UTF8"
	ReasonMessageTooLarge  = "MESSAGE_TOO_LARGE"
	ReasonBatchTooLarge    = "BATCH_TOO_LARGE"
	ReasonBatchTooLong     = "BATCH_TOO_LONG"
	ReasonBatchMissing     = "BATCH_MISSING"
	ReasonTooDeep          = "TOO_DEEP"
	ReasonWrongType        = "WRONG_TYPE"
	ReasonTypeMissing      = "TYPE_MISSING"
	ReasonTypeUnknown      = "TYPE_UNKNOWN"
	ReasonUserMissing      = "USER_MISSING"
	ReasonUserIDMissing    = "USER_ID_MISSING"
	ReasonEventMissing     = "EVENT_MISSING"
	ReasonGroupIDMissing   = "GROUP_ID_MISSING"
	ReasonPreviousMissing  = "PREVIOUS_ID_MISSING"
	ReasonMessageIDTooLong = "MESSAGE_ID_TOO_LONG"
	ReasonIDTooLong        = "ID_TOO_LONG"
	ReasonNameTooLong      = "NAME_TOO_LONG"
	ReasonNULByte          = "NUL_BYTE"
	ReasonNumberRange      = "NUMBER_RANGE"
	ReasonTimestamp        = "TIMESTAMP_INVALID"
	ReasonFuture           = "FUTURE_TIMESTAMP"
	ReasonAncient          = "ANCIENT_TIMESTAMP"
	ReasonPlanViolation    = "PLAN_VIOLATION"
	ReasonUnplanned        = "UNPLANNED_EVENT"
	ReasonMapping          = "MAPPING_INVALID"
	ReasonCSVSyntax        = "CSV_SYNTAX"
	ReasonRagged           = "RAGGED_ROW"
	ReasonCell             = "CELL_INVALID"
)

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}
