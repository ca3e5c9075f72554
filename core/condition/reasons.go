package condition

// The reasons of faults; each has code INVALID and the path of the culprit.
const (
	ReasonJSON          = "BAD_JSON"
	ReasonOneKey        = "ONE_KEY"
	ReasonUnknownKey    = "UNKNOWN_KEY"
	ReasonType          = "WRONG_TYPE" // a text where an object belongs
	ReasonRequired      = "REQUIRED"
	ReasonNotAllowed    = "NOT_ALLOWED" // a key that makes no sense here, a kind of node that this condition cannot have
	ReasonEnum          = "UNKNOWN_VALUE"
	ReasonName          = "BAD_NAME"
	ReasonPath          = "BAD_PATH"
	ReasonNumber        = "BAD_NUMBER"
	ReasonTime          = "BAD_TIME"
	ReasonDuration      = "BAD_DURATION"
	ReasonEmpty         = "EMPTY"
	ReasonTooLong       = "TOO_LONG"
	ReasonTooDeep       = "TOO_DEEP"
	ReasonTooMany       = "TOO_MANY_NODES"
	ReasonRegexp        = "BAD_REGEXP"
	ReasonNoOperator    = "NO_OPERATOR"
	ReasonOperand       = "BAD_OPERAND"
	ReasonRange         = "IMPOSSIBLE_RANGE"
	ReasonWindow        = "IMPOSSIBLE_WINDOW"
	ReasonContradiction = "CONTRADICTION"
	ReasonRelative      = "RELATIVE_TO_NOW"
	ReasonTypeMismatch  = "TYPE_MISMATCH"
	ReasonUnknownType   = "UNKNOWN_TYPE" // of records
	ReasonUnknownField  = "UNKNOWN_FIELD"
	ReasonRelation      = "UNKNOWN_RELATION"
	ReasonSegment       = "UNKNOWN_SEGMENT"
	ReasonArchived      = "ARCHIVED_SEGMENT"
	ReasonNotAList      = "NOT_A_LIST"
	ReasonCycle         = "CYCLE"
	ReasonNewer         = "NEWER_VERSION"
)
