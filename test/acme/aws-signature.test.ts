// Signature Version 4, by the examples that Amazon publishes with their results.
import assert from 'node:assert/strict'
import test from 'node:test'
import { type AwsRequest, awsHeaders } from '../../src/acme/aws-signature.ts'

const suite = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const s3 = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
const suiteTime = new Date('2015-08-30T12:36:00Z')
const s3Time = new Date('2013-05-24T00:00:00Z')
const bucket = 'https://examplebucket.s3.amazonaws.com'

/** What is asked, and the signature that Amazon's own documentation gives for it. */
const examples: readonly (readonly [string, AwsRequest, typeof suite, Date, string])[] = [
  [
    'get-vanilla of the test suite',
    { method: 'GET', url: 'https://example.amazonaws.com/', service: 'service', region: 'us-east-1' },
    suite,
    suiteTime,
    '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  ],
  [
    'ListUsers of IAM',
    {
      method: 'GET',
      url: 'https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8' },
      service: 'iam',
      region: 'us-east-1',
    },
    suite,
    suiteTime,
    '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
  ],
  [
    'GET of S3 with a range',
    {
      method: 'GET',
      url: `${bucket}/test.txt`,
      headers: { Range: 'bytes=0-9' },
      service: 's3',
      region: 'us-east-1',
    },
    s3,
    s3Time,
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'PUT of S3 with a name that needs encoding',
    {
      method: 'PUT',
      url: `${bucket}/test$file.text`,
      headers: { Date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      body: 'Welcome to Amazon S3.',
      service: 's3',
      region: 'us-east-1',
    },
    s3,
    s3Time,
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'GET of S3 with an empty parameter',
    { method: 'GET', url: `${bucket}/?lifecycle`, service: 's3', region: 'us-east-1' },
    s3,
    s3Time,
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
]

for (const [name, request, credentials, now, signature] of examples)
  test(`${name}: signed as published`, () => {
    const { Authorization = '' } = awsHeaders(request, credentials, now)
    assert.equal(/Signature=(\w+)$/.exec(Authorization)?.[1], signature, Authorization)
  })

test('lent credentials: their token is sent and signed', () => {
  const request = { method: 'GET', url: 'https://sts.amazonaws.com/', service: 'sts', region: 'us-east-1' }
  const headers = awsHeaders(request, { ...suite, sessionToken: 'lent' }, suiteTime)
  assert.equal(headers['X-Amz-Security-Token'], 'lent')
  assert.match(headers['Authorization'] ?? '', /SignedHeaders=host;x-amz-date;x-amz-security-token,/)
})
