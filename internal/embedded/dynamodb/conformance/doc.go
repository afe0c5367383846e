// Package conformance is tests only: what DynamoDB does, asked through the SDK.
//
// The tests run on the embedded server, and also on the DynamoDB Local whose endpoint the environment variable
// CROSSFADE_DYNAMODB_ENDPOINT names, such as http://127.0.0.1:8000. Expectations are what real DynamoDB does, as
// far as its documentation says or as far as it is known. Where DynamoDB Local or the embedded server answers
// something else, the expectation is a difference, which says which of the two the real one agrees with, and why.
package conformance
