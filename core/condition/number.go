package condition

import (
	"github.com/shopspring/decimal"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Decimal is an exact decimal number.
type Decimal = decimal.Decimal

// ParseNumber reads a number exactly: int32, int64, double (by its shortest decimal
// form) or Decimal128.
func ParseNumber(v bson.RawValue) (Decimal, bool) { return Decimal{}, false }
