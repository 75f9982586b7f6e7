# One image for every process: api, worker, migrate, and the demo's simulator. docker-compose.yml says which.
FROM node:24.20.0-trixie-slim AS base
WORKDIR /app

# What an installation depends on and nothing else: a change of sources leaves the layers with dependencies as they are.
# Packages are chosen by --filter-prod, since --filter would add those of their tests, and PostgreSQL's programs with them.
FROM base AS manifests
COPY . .
RUN find . -type f ! -name package.json ! -name 'pnpm-*.yaml' ! -path './patches/*' -delete \
 && find . -type d -empty -delete

FROM base AS installed
COPY --from=manifests /app .
RUN npm install --global "$(node -p 'require("./package.json").packageManager')" \
 && pnpm install --frozen-lockfile --filter-prod @stockpile/api... --filter-prod @stockpile/worker... --filter-prod @stockpile/migrate...

FROM installed AS build
COPY . .
RUN pnpm --filter-prod @stockpile/api... --filter-prod @stockpile/worker... --filter-prod @stockpile/migrate... run build \
 && mkdir /built \
 && cp --recursive --parents apps/*/dist packages/*/dist packages/db/migrations packages/db/sql /built \
 && find /built -name '*.d.ts' -delete

# Declarations and source maps are two fifths of the packages, and no process reads them.
FROM installed AS production
RUN find . -name node_modules -prune -exec rm -r {} + \
 && pnpm install --frozen-lockfile --offline --prod --filter-prod @stockpile/api... --filter-prod @stockpile/worker... --filter-prod @stockpile/migrate... \
 && find node_modules -type f \( -name '*.d.*ts' -o -name '*.map' \) -delete \
 && rm -r patches pnpm-lock.yaml pnpm-workspace.yaml test

FROM base
ENV NODE_ENV=production
# The image's package managers: nothing here installs anything.
RUN rm -rf /opt/yarn-* /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn /usr/local/bin/yarnpkg
COPY --from=production /app .
COPY --from=build /built .
COPY docker-entrypoint.sh /usr/local/bin/stockpile
USER node
ENTRYPOINT ["stockpile"]
