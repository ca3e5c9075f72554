package condition

// Buckets is how many buckets people are spread over.
const Buckets = 10000

// BucketOf returns the bucket of a profile's id, from 0 to Buckets-1: the same for
// ever, and for different salts independent. It is FNV-1a (64 bits) over the salt,
// a NUL byte and the id, mixed by multiplying and shifting, for FNV's low bits
// alone are not even enough for ids that count up.
func BucketOf(profileID, salt string) int {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(salt) {
		h = (h ^ uint64(salt[i])) * prime
	}
	h *= prime // the NUL byte
	for i := range len(profileID) {
		h = (h ^ uint64(profileID[i])) * prime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return int(h % Buckets)
}
