// The site of docs/*.md. `make docs` builds it, `make docs-serve` shows it.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const docs = dirname(dirname(fileURLToPath(import.meta.url)))
const repository = 'https://github.com/thumbmill/thumbmill'
const release = readFileSync(join(docs, '../shared/version/version.go'), 'utf8').match(/^const Number = "(.*)"$/m)[1]

// By what a reader does; pages that are in no group stand in the last one.
const groups = [
  ['Start', [['Quick start', 'quick-start'], ['Concepts', 'concepts'], ['Comparison', 'comparison'], ['Migrate', 'migrate'], ['MediaWiki', 'mediawiki'], ['Image loaders', 'loaders']]],
  ['Use', [['URLs', 'urls'], ['Formats', 'formats']]],
  ['Run', [['Deploy', 'deploy'], ['Caches', 'caches'], ['Operate', 'operate'], ['Runbook', 'runbook'], ['Plan capacity', 'capacity'], ['Security', 'security']]],
  ['Look up', [['Configuration', 'configuration'], ['Reference', 'reference'], ['Benchmarks', 'benchmarks']]],
  ['Change', [['Architecture', 'architecture']]],
]

const listed = groups.flatMap(([, pages]) => pages.map(([, page]) => page))
const rest = readdirSync(docs).filter((f) => f.endsWith('.md') && f !== 'README.md').map((f) => f.slice(0, -3)).filter((p) => !listed.includes(p))

const sidebar = groups.map(([text, pages]) => ({ text, items: pages.map(([text, page]) => ({ text, link: '/' + page })) }))
sidebar.at(-1).items.push(
  { text: 'Contributing', link: repository + '/blob/main/CONTRIBUTING.md' },
  { text: 'Changes', link: repository + '/blob/main/CHANGELOG.md' },
)
if (rest.length > 0) {
  sidebar.push({ text: 'More', items: rest.map((page) => ({ text: page, link: '/' + page })) })
}

// linksOutside makes links to files of the repository, which are relative so that a Git host
// follows them, lead there from the site too. The home page is README.md.
function linksOutside(md) {
  md.core.ruler.push('links-outside', (state) => {
    for (const token of state.tokens.flatMap((t) => t.children ?? [])) {
      const href = token.type === 'link_open' && token.attrGet('href')
      if (!href || /^([a-z]+:|#|\/)/.test(href)) continue
      const path = posix.normalize(posix.join('docs', href))
      if (!path.startsWith('docs/')) {
        const kind = /\.\w+(#.*)?$/.test(path) ? 'blob' : 'tree'
        token.attrSet('href', `${repository}/${kind}/main/${path}`)
      } else if (/^docs\/README\.md/.test(path)) {
        token.attrSet('href', href.replace('README.md', 'index.md'))
      }
    }
  })
}

// slugify gives a heading the id that it has at a Git host, as loadtest/suites/docs checks.
const slugify = (heading) => heading.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-')

// namedCells gives each cell the name of its column, which a phone shows beside it.
function namedCells(md) {
  md.core.ruler.push('named-cells', (state) => {
    let columns = []
    let at = 0
    state.tokens.forEach((token, i) => {
      if (token.type === 'thead_open') columns = []
      if (token.type === 'th_open') columns.push(state.tokens[i + 1].content)
      if (token.type === 'tr_open') at = 0
      if (token.type !== 'td_open') return
      if (columns[at]) token.attrSet('data-column', columns[at])
      at++
    })
  })
}

export default defineConfig({
  title: 'thumbmill',
  description: 'A thumbnail cluster for sites whose media no single machine can render',
  lang: 'en',
  cleanUrls: false,
  srcExclude: ['node_modules/**'],
  rewrites: { 'README.md': 'index.md' },
  markdown: {
    config: (md) => md.use(linksOutside).use(namedCells),
    anchor: { slugify },
    languageAlias: { vcl: 'c' },
  },
  themeConfig: {
    sidebar,
    nav: [{ text: release, link: repository + '/blob/main/CHANGELOG.md' }],
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    docFooter: { prev: 'Before', next: 'Next' },
  },
})
