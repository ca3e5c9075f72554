package profile

import "github.com/headwater-cdp/headwater/core/condition"

// Buckets is how many buckets people are spread over.
const Buckets = condition.Buckets

// BucketOf returns the bucket of a profile's id, from 0 to Buckets-1, as the node
// "bucket" of a condition has it. What a profile keeps as Bucket is that of salt "".
func BucketOf(id, salt string) int { return condition.BucketOf(id, salt) }

// bucket is what a profile keeps.
func bucket(id string) int64 { return int64(BucketOf(id, "")) }
